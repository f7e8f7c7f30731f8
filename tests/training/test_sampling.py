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


COARSE = [{"region": "head_neck", "spacing": [4.6, 4.6, 2.5]}] * 90
PHANTOMS = [{"region": "chest", "spacing": [2.0, 2.0, 2.0], "min_timestep": 600}] * 4


@pytest.mark.parametrize("share", [0.0, 0.15])
def test_what_shows_anatomy_only_gets_its_share_however_much_it_is(share, caplog):
    caplog.set_level("INFO", logger="meddiff")
    fine = [item | {"spacing": [1.0, 1.0, 5.0]} for item in ITEMS]
    weights = region_balanced_weights(fine + COARSE + PHANTOMS, anatomy_share=share)
    assert sum(weights) == pytest.approx(1) and sum(weights[21:]) == pytest.approx(share)
    assert sum(weights[21:-4]) == pytest.approx(share * 90**0.5 / (90**0.5 + 2))
    # among the others nothing changes
    alone = region_balanced_weights(ITEMS)
    assert weights[:21] == pytest.approx([w * (1 - share) / sum(alone) for w in alone])
    assert caplog.messages == [
        "94 of 115 training volumes show anatomy only (voxels above 2 mm in plane, or phantoms):"
        f" {share:.0%} of the patches are theirs."
    ]


def test_where_all_show_anatomy_only_they_get_everything():
    assert region_balanced_weights(COARSE, anatomy_share=0.0) == pytest.approx([90**-0.5] * 90)
    three = [item | {"spacing": [3.0] * 3} for item in ITEMS]
    assert region_balanced_weights(three + COARSE, max_voxel_mm=3.0)[-1] == 0.0
