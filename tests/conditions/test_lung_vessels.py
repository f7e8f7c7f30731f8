"""Trees of vessels that are grown into lungs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from meddiff_core.conditions.lung_vessels import lung_vessel_share

SPACING = (2.0, 2.0, 2.5)


@pytest.fixture(scope="module")
def chest():
    """Two lungs, ellipsoids, in a body."""
    x, y, z = np.indices((90, 60, 50))
    body = np.hypot((x - 45) / 44, (y - 30) / 29) < 1
    lungs = [((x - c) / 16) ** 2 + ((y - 30) / 20) ** 2 + ((z - 25) / 23) ** 2 < 1 for c in (24, 66)]
    return lungs[0] | lungs[1], body


def grow(chest, seed=0):
    return lung_vessel_share(*chest, SPACING, np.random.default_rng(seed))


@pytest.fixture(scope="module")
def share(chest):
    return grow(chest)


def test_vessels_fill_a_usual_share_of_the_lungs_and_nothing_else(chest, share):
    assert share.dtype == np.float32 and not share[~chest[0]].any()
    assert share.min() >= 0 and share.max() <= 1
    # real lungs at this voxel size: 3 to 5 % of the inner lung is above -500 HU, where blood fills 0.4
    assert 0.02 < (share[chest[0]] > 0.4).mean() < 0.1


def test_each_lung_has_a_tree_that_hangs_together(share):
    for lung in np.split(share > 0.05, [45]):
        pieces, _ = ndimage.label(lung, structure=np.ones((3, 3, 3)))
        sizes = np.bincount(pieces.ravel())[1:]
        assert sizes.max() > 0.6 * sizes.sum()


def test_vessels_are_thick_at_the_hilum_and_thin_at_the_surface(chest, share):
    lung = chest[0].copy()
    lung[45:] = False
    depth = ndimage.distance_transform_edt(lung, SPACING)
    near = np.linalg.norm((np.argwhere(lung) - (40, 30, 25)) * SPACING, axis=1) < 20
    values = share[lung]
    assert values[near].mean() > 2 * values[depth[lung] < 5].mean()


def test_the_seed_decides(chest, share):
    assert np.array_equal(grow(chest), share)
    assert not np.array_equal(grow(chest, 1), share)


def test_a_rim_of_lung_has_none(chest):
    rim = np.zeros_like(chest[0])
    rim[40:48, 25:33, 10:18] = True
    assert not lung_vessel_share(rim, chest[1], SPACING, np.random.default_rng(0)).any()
