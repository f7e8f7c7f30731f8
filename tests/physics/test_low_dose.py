"""Simulated low-dose noise: size, spectrum, where it is largest, and that it repeats."""

import numpy as np
import pytest

from meddiff_core.physics.low_dose import (
    correlated_noise,
    simulate_low_dose,
    white_noise,
)
from meddiff_core.physics.noise_spectrum import NoiseSpectrum
from meddiff_core.physics.sinogram import sinogram_noise

SPACING = (1.0, 1.0, 1.5)


@pytest.fixture(scope="module")
def disc():
    """Water cylinder of 144 mm in air, four slices of 3 mm voxels, and the distance from its axis in mm."""
    radius = 3 * np.hypot(*(np.indices((64, 64)) - 31.5))
    hu = np.where(radius < 72, 0, -1000).astype(np.float32)
    return np.repeat(hu[..., None], 4, axis=-1), radius


def _correlation(noise, axis):
    """Correlation of neighbours along an axis, for noise that is periodic."""
    return float((noise * np.roll(noise, 1, axis)).mean() / noise.var())


@pytest.mark.parametrize(
    "add", [lambda hu: white_noise(hu, 27, 0), lambda hu: correlated_noise(hu, 27, SPACING, 0)]
)
def test_noise_has_the_stated_size_and_no_bias(add):
    clean = np.full((48, 40, 32), 60, np.float32)
    noise = add(clean) - clean
    assert noise.dtype == np.float32
    assert noise.std() == pytest.approx(27, rel=0.01)
    assert abs(noise.mean()) < 0.5


def test_white_noise_is_white_and_correlated_noise_is_not():
    clean = np.zeros((64, 64, 32), np.float32)
    white = white_noise(clean, 1, 0)
    assert max(abs(_correlation(white, axis)) for axis in range(3)) < 0.02
    correlated = correlated_noise(clean, 1, SPACING, 0)
    assert all(_correlation(correlated, axis) > 0.2 for axis in range(3))


def test_sharper_kernels_make_finer_noise():
    clean = np.zeros((64, 64, 16), np.float32)
    kinds = ("correlated_smooth", "correlated", "correlated_sharp")
    neighbours = [_correlation(simulate_low_dose(clean, kind, 1, SPACING, 0), 0) for kind in kinds]
    assert neighbours[0] > neighbours[1] + 0.1 > neighbours[2] + 0.2


def test_slices_far_apart_are_independent():
    noise = correlated_noise(np.zeros((48, 48, 32), np.float32), 1, (1, 1, 5), 0)
    assert abs(_correlation(noise, 2)) < 0.03


def test_spectrum_of_correlated_noise_is_the_stated_one():
    shape = (48, 40, 32)
    noise = correlated_noise(np.zeros(shape, np.float32), 1, SPACING, 0)
    measured = np.abs(np.fft.fftn(noise)) ** 2 / noise.size
    stated = NoiseSpectrum.of_scanner(SPACING).power(shape).numpy()
    assert stated.mean() == pytest.approx(1, rel=1e-4)
    assert stated[0, 0].max() == 0  # the ramp removes the mean of each slice
    order = np.argsort(stated, axis=None)
    groups = [(measured.flat[part].mean(), stated.flat[part].mean()) for part in np.array_split(order, 8)]
    for found, expected in groups[2:]:
        assert found == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize(
    ("kind", "level"), [("white", 27), ("correlated", 27), ("correlated_sharp", 27), ("sinogram", 0.25)]
)
def test_same_seed_same_noise(kind, level):
    hu = np.zeros((16, 16, 4), np.float32)
    first, again, other = (simulate_low_dose(hu, kind, level, (3, 3, 3), seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_sinogram_noise_is_largest_where_most_photons_are_lost(disc):
    hu, radius = disc
    noise = sinogram_noise(hu, (3, 3, 3), 0.25, 0) - hu
    centre, edge = noise[radius < 25], noise[(radius > 60) & (radius < 72)]
    assert centre.std() > 1.2 * edge.std()
    assert abs(noise[radius < 72].mean()) < 0.1 * centre.std()


def test_sinogram_noise_follows_the_dose(disc):
    hu, radius = disc
    half, tenth = ((sinogram_noise(hu, (3, 3, 3), dose, 0) - hu)[radius < 72].std() for dose in (0.5, 0.1))
    # Added variance goes with 1/d - 1: nine times as much at a tenth of the dose as at half of it.
    assert tenth / half == pytest.approx(3, rel=0.1)


def test_sinogram_noise_streaks_along_the_direction_of_most_attenuation():
    hu = np.full((64, 64, 2), -1000, np.float32)
    hu[8:56, 28:36] = 800  # a bar of bone along x: rays along it lose the most photons
    noise = (sinogram_noise(hu, (3, 3, 3), 0.1, 0) - hu)[12:52, 29:35]
    along, across = (np.diff(noise, axis=axis).std() for axis in (0, 1))
    assert across > 1.5 * along
