"""Dice of the anatomy found in a CT against its map."""

import math

import numpy as np
import pytest

from meddiff_core.conditions.coarse import coarse_labels
from meddiff_core.conditions.vocabulary import label_id
from meddiff_core.metrics.anatomy_dice import DICE_CLASSES, anatomy_dice, segmenter_name
from meddiff_core.phantoms import make_phantom


@pytest.fixture(scope="module")
def chest():
    return make_phantom("chest", (64, 64, 48), (5, 5, 6))


def test_the_segmenters_own_map(chest):
    own = coarse_labels(chest.hu, chest.spacing)
    dice = anatomy_dice(chest.hu, own, chest.spacing)
    assert tuple(dice) == DICE_CLASSES
    assert all(value == 1 for value in dice.values() if not math.isnan(value))
    assert dice["lung"] == dice["bone"] == dice["body"] == 1


def test_a_named_map_is_compared_by_coarse_class(chest):
    dice = anatomy_dice(chest.hu, chest.anatomy, chest.spacing)
    assert dice["body"] > 0.95 and dice["lung"] > 0.9
    assert math.isnan(dice["fat"])  # TotalSegmentator's classes have none


def test_half_of_a_class():
    anatomy = np.full((8, 8, 8), label_id("lung"), np.uint8)
    found = anatomy.copy()
    found[4:] = label_id("bone")
    dice = anatomy_dice(anatomy, anatomy, (1, 1, 1), lambda hu, spacing: found)
    assert dice["body"] == 1
    assert dice["lung"] == pytest.approx(2 / 3)  # 2 * 256 / (256 + 512)
    assert math.isnan(dice["bone"])


def test_segmenters_have_names():
    assert segmenter_name(coarse_labels) == "coarse_labels"
