"""The soft edge: where it lies and how wide it is."""

from __future__ import annotations

import numpy as np
import pytest

from meddiff_core.conditions.feather import feathered


@pytest.mark.parametrize("spacing", [1.0, 0.5, 2.0])
def test_it_rises_from_the_border_inwards_over_its_width_in_mm(spacing):
    mask = np.zeros((40, 9, 9), bool)
    mask[10:30] = True
    profile = feathered(mask, (spacing, 1, 1), width=3.0)[:, 4, 4]
    depth = np.minimum(np.arange(40) - 9, 30 - np.arange(40)).clip(min=0) * spacing
    np.testing.assert_allclose(
        profile, np.where(depth > 0, np.clip((1 + depth / 3.0) / 2, 0, 1), 0), atol=1e-6
    )
    assert profile.dtype == np.float32


def test_without_a_width_it_is_the_mask_and_outside_it_is_always_zero():
    mask = np.random.default_rng(0).random((12, 12, 12)) < 0.5
    np.testing.assert_array_equal(feathered(mask, (1, 1, 1), 0), mask)
    soft = feathered(mask, (1, 2, 1), 4)
    np.testing.assert_array_equal(soft > 0, mask)


def test_the_end_of_the_volume_is_no_border():
    mask = np.zeros((10, 10, 10), bool)
    mask[:6] = True
    assert feathered(mask, (1, 1, 1), 2.0)[0].min() == 1
    assert feathered(np.ones((4, 4, 4), bool), (1, 1, 1), 2.0).min() == 1
