"""PSNR and SSIM of axial slices."""

from __future__ import annotations

import numpy as np
import pytest

from meddiff_core.conditions.regions import HUWindow
from meddiff_core.errors import InputError
from meddiff_core.metrics.image_quality import psnr, ssim
from meddiff_core.metrics.slice_quality import slice_psnr, slice_ssim

WINDOW = HUWindow(level=0, width=400)


@pytest.fixture
def pair():
    """A volume and the same with more noise in every slice."""
    rng = np.random.default_rng(0)
    volume = rng.uniform(-150, 150, (16, 18, 5))
    return volume + rng.normal(0, 1, volume.shape) * np.arange(5, 30, 5), volume


def test_it_is_the_mean_over_the_slices(pair):
    prediction, reference = pair
    slices = [(prediction[..., k], reference[..., k], WINDOW) for k in range(5)]
    assert slice_psnr(*pair, WINDOW) == pytest.approx(np.mean([psnr(*each) for each in slices]))
    assert slice_ssim(*pair, WINDOW) == pytest.approx(np.mean([ssim(*each) for each in slices]))
    # one bad slice weighs less than in the PSNR of the volume
    assert slice_psnr(*pair, WINDOW) > psnr(*pair, WINDOW)


def test_slices_that_show_nothing_do_not_count(pair):
    whole = slice_psnr(*pair, WINDOW), slice_ssim(*pair, WINDOW)
    air = np.full((16, 18, 3), -1000.0)
    padded = [np.concatenate([volume, air], axis=-1) for volume in pair]
    assert (slice_psnr(*padded, WINDOW), slice_ssim(*padded, WINDOW)) == pytest.approx(whole)
    assert np.isnan(slice_psnr(air, air, WINDOW))


def test_slices_too_small_for_ssim_are_refused(pair):
    small = [volume[:8] for volume in pair]
    with pytest.raises(InputError, match="at least 11 voxels"):
        slice_ssim(*small, WINDOW)
