"""Noise estimated from a volume alone."""

import numpy as np
import pytest
from scipy import ndimage

from meddiff_core.physics.low_dose import correlated_noise, white_noise
from meddiff_core.physics.noise_level import estimate_noise_level


@pytest.fixture(scope="module")
def scan():
    """Smooth organs of 40 and 140 HU with a sharp border, in padding of -1024 HU, and the body's mask."""
    rng = np.random.default_rng(0)
    organs = ndimage.gaussian_filter(rng.standard_normal((72, 64, 48)), 6)
    hu = np.where(organs > 0, 140, 40).astype(np.float32)
    body = np.zeros(hu.shape, bool)
    body[8:-8, 8:-8] = True
    return np.where(body, hu, np.float32(-1024)), body


@pytest.mark.parametrize("sigma", [13.5, 27, 135])
def test_white_noise_is_found(scan, sigma):
    hu, body = scan
    assert estimate_noise_level(white_noise(hu, sigma, 1), body) == pytest.approx(sigma, rel=0.1)


def test_the_unit_is_that_of_the_input(scan):
    hu, body = scan
    noisy = white_noise(hu, 27, 1)
    in_hu, in_windows = estimate_noise_level(noisy, body), estimate_noise_level((noisy - 60) / 180, body)
    assert in_windows == pytest.approx(in_hu / 180, rel=1e-4)


def test_padding_does_not_count(scan):
    hu, body = scan
    noisy = np.where(body, white_noise(hu, 27, 1), np.float32(-1024))
    assert estimate_noise_level(noisy) == pytest.approx(27, rel=0.1)


@pytest.mark.parametrize(("thickness", "share"), [(2.5, 0.95), (1.0, 0.87)])
def test_correlated_noise_is_found_up_to_the_documented_share(thickness, share):
    noise = correlated_noise(np.zeros((96, 96, 48), np.float32), 27, (1, 1, thickness), 1)
    assert estimate_noise_level(noise) == pytest.approx(share * 27, rel=0.05)


def test_a_clean_or_empty_volume_has_none(scan):
    hu, body = scan
    assert estimate_noise_level(hu, body) < 1e-3
    assert estimate_noise_level(np.full((16, 16, 16), -1024.0)) == 0
    assert estimate_noise_level(hu, np.zeros_like(body)) == 0
