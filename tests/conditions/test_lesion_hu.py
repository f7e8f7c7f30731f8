"""The HU that lesions are to have."""

from __future__ import annotations

import numpy as np
import pytest

from meddiff_core.conditions.lesion_hu import LesionHU
from meddiff_core.conditions.vocabulary import BODY, label_id
from meddiff_core.errors import InputError

LUNG = np.full(9, label_id("lung_upper_lobe_left"))
TISSUE = np.full(9, BODY)


def test_what_is_given_counts_and_the_rest_is_of_one_training_lesion_of_the_organ():
    assert LesionHU(-20, 30).draw(LUNG, 0) == (-20, 30)
    drawn = {LesionHU().draw(TISSUE, seed) for seed in range(40)}
    assert len(drawn) > 3 and LesionHU().draw(TISSUE, 5) == LesionHU().draw(TISSUE, 5)
    assert all(20 < mean < 80 and 10 < deviation < 60 for mean, deviation in drawn)
    assert {LesionHU(mean=0).draw(TISSUE, seed)[1] for seed in range(40)} == {d for _, d in drawn}
    assert not drawn & {LesionHU().draw(LUNG, seed) for seed in range(40)}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mean": 5000}, "lesion_hu is 5000"),
        ({"mean": "dark"}, "lesion_hu is 'dark'"),
        ({"deviation": 0}, "lesion_deviation is 0"),
        ({"deviation": 2000}, "at most 300"),
    ],
)
def test_what_no_lesion_has_is_refused(options, words):
    with pytest.raises(InputError, match=words):
        LesionHU(**options)
