"""The HU that organs are to have, from what a user types."""

from __future__ import annotations

import numpy as np
import pytest

from meddiff_core.conditions.organ_hu import PHASES, TissueHU
from meddiff_core.conditions.usual_hu import USUAL_HU
from meddiff_core.conditions.vocabulary import label_id
from meddiff_core.errors import InputError

LIVER, AORTA, LUNG = map(label_id, ("liver", "aorta", "lung"))
LOBES = (label_id("lung_upper_lobe_left"), label_id("lung_lower_lobe_left"))
MAP = np.array([0, LIVER, AORTA, *LOBES])
USUAL = {LOBES: USUAL_HU["abdomen"]["lung"]["mean"]}


def targets(organ_hu=None, contrast=None, region="abdomen"):
    return TissueHU(organ_hu, contrast).targets(MAP, region)


@pytest.mark.parametrize(
    ("organ_hu", "contrast", "expected"),
    [
        (None, None, {}),
        ("liver=110, aorta=180", None, {(LIVER,): 110, (AORTA,): 180}),
        ({"liver": 110.5}, None, {(LIVER,): 110.5}),
        (None, "none", {(LIVER,): 55, (AORTA,): 40} | USUAL),
        (None, "arterial", {(LIVER,): 70, (AORTA,): 300} | USUAL),
        ("aorta=180,lung=-800", "portal", {(LIVER,): 110, (AORTA,): 180, LOBES: -800}),
        ("lung=-850", None, {LOBES: -850}),  # a coarse class stands for its parts
    ],
)
def test_targets(organ_hu, contrast, expected):
    assert targets(organ_hu, contrast) == expected


@pytest.mark.parametrize(
    ("organ_hu", "contrast", "region", "words"),
    [
        ("liver=5000", None, "abdomen", "liver 5000 HU.*-1024 to 3071"),
        ("liver=much", None, "abdomen", "liver much HU"),
        ("liver 110", None, "abdomen", "such as liver=110"),
        ("livre=110", None, "abdomen", "did you mean liver"),
        ("spleen=110", None, "abdomen", "map has none: it has liver, lung_upper_lobe_left"),
        (None, "venous", "abdomen", "contrast is 'venous'"),
        (None, "portal", "head_neck", "shows a head or neck"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(organ_hu, contrast, region, words):
    with pytest.raises(InputError, match=words):
        targets(organ_hu, contrast, region)


def test_a_head_may_be_without_contrast():
    assert targets("aorta=50", "none", "head_neck")[(AORTA,)] == 50
    assert PHASES == ("none", "arterial", "portal")
