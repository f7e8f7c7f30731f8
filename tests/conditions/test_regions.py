"""Regions, their class ids and their windows."""

from __future__ import annotations

import pytest

from meddiff_core.conditions.regions import REGIONS, check_region, region_id, region_window
from meddiff_core.errors import InputError


def test_the_ids_are_those_the_shipped_weights_were_trained_with():
    assert REGIONS == ("unknown", "head_neck", "chest", "abdomen")
    assert [region_id(name) for name in REGIONS] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("region", "lower", "upper"),
    [("head_neck", -150, 250), ("chest", -1400, 400), ("abdomen", -120, 240), ("unknown", -1400, 400)],
)
def test_windows_map_their_ends_to_minus_and_plus_one_and_back(region, lower, upper):
    window = region_window(region)
    assert (window.lower, window.upper) == (lower, upper)
    assert (window.to_unit(lower), window.to_unit(upper)) == (-1, 1)
    assert window.to_unit(upper + window.width) == pytest.approx(3)
    assert window.to_hu(window.to_unit(123.0)) == pytest.approx(123.0)


@pytest.mark.parametrize("function", [check_region, region_window, region_id])
def test_unknown_names_are_refused_with_the_known_ones(function):
    with pytest.raises(InputError, match=r"'leg'.*head_neck"):
        function("leg")
