"""Weights of the training volumes."""

from __future__ import annotations

import pytest

from meddiff_core.training.sampling import region_balanced_weights

ITEMS = [{"region": name} for name in ["chest"] * 16 + ["abdomen"] * 4 + ["head_neck"]]


def _shares(power):
    weights = region_balanced_weights(ITEMS, power)
    chest, abdomen, head = sum(weights[:16]), sum(weights[16:20]), weights[20]
    return [chest / head, abdomen / head]


def test_power_one_draws_every_volume_alike():
    assert region_balanced_weights(ITEMS, 1.0) == [1.0] * 21


@pytest.mark.parametrize(("power", "expected"), [(1.0, [16, 4]), (0.5, [4, 2]), (0.0, [1, 1])])
def test_a_regions_share_is_its_count_to_the_power(power, expected):
    assert _shares(power) == pytest.approx(expected)


def test_volumes_of_a_region_are_alike_and_the_default_is_the_square_root():
    weights = region_balanced_weights(ITEMS)
    assert len(set(weights[:16])) == 1
    assert _shares(0.5) == pytest.approx([sum(weights[:16]) / weights[20], sum(weights[16:20]) / weights[20]])
