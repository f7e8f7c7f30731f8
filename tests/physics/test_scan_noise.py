"""Level and spectrum of noise, found in phantoms that hold a known noise."""

import numpy as np
import pytest
from scipy import ndimage

from meddiff_core.physics.low_dose import correlated_noise, white_noise
from meddiff_core.physics.noise_spectrum import NoiseSpectrum
from meddiff_core.physics.scan_noise import ScanNoise

SHAPE = (112, 96, 32)


def phantom(contrast: float = 100.0) -> np.ndarray:
    """Organs of 40 HU and `contrast` more, of one shape in no two slices, in a body within air."""
    rng = np.random.default_rng(0)
    organs = ndimage.gaussian_filter(rng.standard_normal(SHAPE), 9)
    hu = ndimage.gaussian_filter(np.where(organs > 0, 40.0 + contrast, 40.0), 0.7)
    hu[:8] = hu[-8:] = hu[:, :8] = hu[:, -8:] = -1000
    return hu.astype(np.float32)


@pytest.mark.parametrize("sigma", [10, 30, 100])
@pytest.mark.parametrize(
    "spacing", [None, (0.7, 0.7, 0.7), (0.8, 0.8, 1.0), (0.8, 0.8, 3.0), (1.5, 1.5, 5.0)], ids=str
)
def test_the_level_is_right_within_5_percent(sigma, spacing):
    hu = phantom()
    noisy = white_noise(hu, sigma, 1) if spacing is None else correlated_noise(hu, sigma, spacing, 1)
    found = ScanNoise.estimate(noisy)
    assert found.level == pytest.approx(sigma, rel=0.05)
    assert found.kind == ("white" if spacing is None else "correlated")


@pytest.mark.parametrize("spacing", [(0.7, 0.7, 0.7), (0.8, 0.8, 3.0)], ids=str)
def test_the_spectrum_is_that_of_the_noise(spacing):
    found = ScanNoise.estimate(correlated_noise(phantom(), 30, spacing, 1))
    true = NoiseSpectrum.of_scanner(spacing).code()
    white = np.abs(true).max()
    assert np.abs(found.code - true).max() < 0.35 * white


def test_contrast_is_no_noise():
    levels = [ScanNoise.estimate(white_noise(phantom(contrast), 20, 1)).level for contrast in (0.0, 150.0)]
    assert levels[1] == pytest.approx(levels[0], rel=0.03)


def test_three_slices_tell_the_level():
    for noisy in (white_noise(phantom(), 40, 1), correlated_noise(phantom(), 40, (0.8, 0.8, 3.0), 1)):
        assert ScanNoise.estimate(noisy[..., 10:13]).level == pytest.approx(40, rel=0.1)


def test_two_slices_are_taken_as_white():
    found = ScanNoise.estimate(correlated_noise(phantom(), 40, (0.8, 0.8, 5.0), 1)[..., 10:12])
    assert found.spectrum.is_white and found.code is None
    assert found.level == pytest.approx(40, rel=0.1)


def test_lung_alone_is_taken_as_white():
    found = ScanNoise.estimate(white_noise(np.full(SHAPE, -800, np.float32), 50, 1))
    assert found.spectrum.is_white
    assert found.level == pytest.approx(50, rel=0.05)


@pytest.mark.parametrize("hu", [np.full(SHAPE, -1000.0), np.full(SHAPE, 40.0)], ids=["air", "no noise"])
def test_nothing_to_measure_is_none(hu):
    assert ScanNoise.estimate(hu) is None
