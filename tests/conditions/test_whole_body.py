"""The body around a map of organs and bones alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from meddiff_core.conditions.vocabulary import BODY, label_id
from meddiff_core.conditions.whole_body import complete_body, lacks_tissue

FAT = label_id("fat")
SPACING = (4.0, 4.0, 5.0)


@pytest.fixture
def organs():
    """uint8 `(96, 56, 8)`: a ring of ribs around a liver, a spine, and an arm beside them."""
    labels = np.zeros((96, 56, 8), np.uint8)
    x, y = np.mgrid[:96, :56]
    ring = np.hypot((x - 34) / 24, (y - 28) / 16)
    labels[(ring > 0.94) & (ring < 1.0) & (x % 8 < 4)] = label_id("rib_left_7")
    labels[np.hypot(x - 28, y - 28) < 8] = label_id("liver")
    labels[np.hypot(x - 34, y - 16) < 4] = label_id("vertebrae_L1")
    labels[np.hypot(x - 84, y - 28) < 3] = label_id("humerus_left")
    return labels


def test_organs_keep_their_place_and_get_skin_fat_and_muscle(organs):
    whole = complete_body(organs, SPACING)
    named = organs > 0
    assert np.array_equal(whole[named], organs[named])
    assert set(np.unique(whole[~named])) == {0, BODY, FAT}
    # outside the ribs, one way out: muscle, then fat, then skin or air
    ray = whole[34, 44:52, 4]
    assert FAT in ray and ray[-1] == 0
    assert list(ray).index(FAT) > 0 and ray[0] == BODY
    # between liver and ribs there is no air, and far from bones fat
    assert (whole[28:40, 20:36] > 0).all()
    assert whole[46, 28, 4] == FAT


def test_the_skin_lies_as_far_outside_as_in_training_scans(organs):
    whole = complete_body(organs, SPACING) > 0
    distance = ndimage.distance_transform_edt(~(organs > 0), SPACING)
    outermost = [distance[34, 44:, 4][whole[34, 44:, 4]].max(), distance[:10, 28, 4][whole[:10, 28, 4]].max()]
    assert outermost == pytest.approx([18, 18], abs=6)
    parts, count = ndimage.label(whole)
    assert count == 2 and parts[84, 28, 4] != parts[34, 28, 4]  # the arm hangs beside


def test_the_border_of_the_map_cuts_the_body(organs):
    cut = complete_body(organs[20:], SPACING)  # through the ribs on one side
    assert (cut[0, 20:36] > 0).all()
    assert (complete_body(organs, SPACING)[:, :, 0] > 0).sum() == pytest.approx(
        (complete_body(organs, SPACING)[:, :, 4] > 0).sum(), rel=0.02
    )


def test_an_outline_that_is_there_is_kept(organs):
    outlined = organs.copy()
    outlined[4:-4, 6:-6] = np.where(organs[4:-4, 6:-6] > 0, organs[4:-4, 6:-6], BODY)
    whole = complete_body(outlined, SPACING)
    assert np.array_equal(whole > 0, outlined > 0)
    assert (whole == FAT).any() and (whole == BODY).any()


@pytest.mark.parametrize(
    ("change", "lacking"),
    [
        (lambda m: m, True),
        (lambda m: np.where(m == 0, BODY, m), True),
        (lambda m: np.where(m == 0, FAT, m), False),
        (lambda m: np.where(m == label_id("liver"), m, 0), False),
        (lambda m: np.where(m > 0, BODY, 0), False),
    ],
    ids=["TotalSegmentator's total", "with its body", "coarse classes", "one organ", "outline alone"],
)
def test_which_maps_lack_tissue(organs, change, lacking):
    assert lacks_tissue(change(organs).astype(np.uint8)) is lacking
