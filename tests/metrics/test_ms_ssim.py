"""MS-SSIM of CT volumes."""

import numpy as np
import pytest
import torch
from monai.metrics import MultiScaleSSIMMetric

from meddiff_core.conditions.regions import HUWindow
from meddiff_core.errors import InputError
from meddiff_core.metrics.ms_ssim import ms_ssim, ms_ssim_levels

SIZES = {4: 1, 8: 2, 15: 2, 16: 3, 35: 3, 36: 4, 63: 4, 64: 5, 200: 5}


def noise(shape, sigma, seed=0):
    return np.random.default_rng(seed).normal(0, sigma, shape).astype(np.float32)


@pytest.mark.parametrize(("size", "levels"), SIZES.items())
def test_scales_follow_the_thinnest_axis(size, levels):
    assert ms_ssim_levels((size, 400, 300)) == levels


@pytest.mark.parametrize("size", [4, 8, 16, 36])
def test_equal_volumes(size):
    volume = noise((40, 36, size), 200)
    assert ms_ssim(volume, volume) == pytest.approx(1, abs=1e-5)


def test_it_is_monais_where_the_volume_is_large():
    real = noise((64, 64, 64), 200)
    generated = real + noise(real.shape, 100, seed=1)
    unit = [torch.from_numpy(np.clip((v + 1400) / 1800, 0, 1))[None, None] for v in (generated, real)]
    expected = MultiScaleSSIMMetric(3, data_range=1.0, kernel_size=4)(*unit)
    assert ms_ssim(generated, real) == pytest.approx(float(expected), abs=1e-4)


def test_it_falls_with_noise_inside_the_window():
    real = noise((24, 24, 24), 200)
    values = [ms_ssim(real + noise(real.shape, sigma, seed=1), real) for sigma in (0, 50, 200)]
    assert values == sorted(values, reverse=True) and values[2] < 0.9
    assert ms_ssim(real + 5000, np.full_like(real, 9000), HUWindow(0, 100)) == pytest.approx(1, abs=1e-5)


def test_a_thin_volume_is_refused():
    with pytest.raises(InputError, match="4 voxels"):
        ms_ssim(noise((32, 32, 3), 1), noise((32, 32, 3), 1))
