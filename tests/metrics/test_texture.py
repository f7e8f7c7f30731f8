"""Texture of tissue: vessels of lungs, and the radial power spectrum."""

import numpy as np
import pytest

from meddiff_core.metrics.texture import BANDS, inner_part, radial_power, vessel_share


def test_vessels_within_a_lung_are_counted_though_the_mask_leaves_them_out():
    hu = np.full((40, 40, 40), 0.0)
    hu[5:35, 5:35, 5:35] = -850
    hu[20:22, 20:22, 5:35] = 40  # a vessel along z
    lung = hu < -500
    inner = inner_part(lung, (1, 1, 1))
    assert inner[20, 20, 20] and not inner[6, 20, 20]
    assert vessel_share(hu, lung, (1, 1, 1)) == pytest.approx(4 * 20 / 20**3, rel=0.1)
    assert np.isnan(vessel_share(hu, np.zeros_like(lung), (1, 1, 1)))


def test_white_noise_has_the_same_power_in_every_band():
    rng = np.random.default_rng(0)
    mask = np.zeros((64, 64, 8), bool)
    mask[8:56, 8:56] = True
    power = radial_power(20 * rng.standard_normal(mask.shape), mask)
    assert len(power) == len(BANDS) - 1
    np.testing.assert_allclose(power, 400, rtol=0.2)


def test_what_lies_outside_the_mask_does_not_count():
    rng = np.random.default_rng(0)
    hu = rng.standard_normal((32, 32, 4))
    mask = np.zeros(hu.shape, bool)
    mask[8:24, 8:24] = True
    np.testing.assert_array_equal(radial_power(hu, mask), radial_power(np.where(mask, hu, 3000), mask))
    assert np.isnan(radial_power(hu, np.zeros_like(mask))).all()
