"""PSNR and SSIM against values computed by hand."""

import math

import numpy as np
import pytest

from meddiff_core.conditions.regions import HUWindow
from meddiff_core.errors import InputError
from meddiff_core.metrics.image_quality import psnr, ssim

HU_WINDOW = HUWindow(level=0, width=200)
SHAPE = (16, 15, 14)


def test_psnr_of_a_constant_error():
    # 20 HU of 200 is a tenth of the peak: 20 dB.
    assert psnr(np.full(SHAPE, 20.0), np.zeros(SHAPE), HU_WINDOW) == pytest.approx(20, abs=1e-4)


def test_what_lies_outside_the_window_does_not_count():
    reference = np.full(SHAPE, 500.0)
    assert psnr(np.full(SHAPE, 900.0), reference, HU_WINDOW) == math.inf
    # Clipped to 100, the error is 50 of 200: 12.04 dB.
    assert psnr(np.full(SHAPE, 50.0), reference, HU_WINDOW) == pytest.approx(20 * math.log10(4), abs=1e-4)


def test_ssim_of_equal_volumes_is_one():
    volume = np.random.default_rng(0).normal(0, 50, SHAPE)
    assert ssim(volume, volume, HU_WINDOW) == pytest.approx(1)


def test_ssim_of_two_constants_is_the_luminance_term():
    # Scaled values 0.5 and 0.75 without variance: (2 * 0.375 + C1) / (0.25 + 0.5625 + C1), C1 = 1e-4.
    expected = (2 * 0.375 + 1e-4) / (0.8125 + 1e-4)
    prediction, reference = np.full(SHAPE, 50.0), np.zeros(SHAPE)
    assert ssim(prediction, reference, HU_WINDOW) == pytest.approx(expected, abs=1e-4)


def test_ssim_falls_with_noise():
    rng = np.random.default_rng(0)
    reference = rng.normal(0, 30, (24, 24, 24))
    noisy = reference.copy()
    noisy[:, :, 12:] += rng.normal(0, 30, (24, 24, 12))
    assert ssim(noisy, reference, HU_WINDOW) < 0.95


def test_ssim_of_a_thin_volume_is_refused():
    with pytest.raises(InputError, match="11 voxels"):
        ssim(np.zeros((32, 32, 4)), np.zeros((32, 32, 4)), HU_WINDOW)
