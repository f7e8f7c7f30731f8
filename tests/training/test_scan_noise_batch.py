"""Batches with the noise of one scan: what training asks is what denoising asks."""

from __future__ import annotations

import pytest
import torch

from meddiff_core.conditions.regions import region_window
from meddiff_core.diffusion.schedule import NoiseSchedule
from meddiff_core.physics.noise_spectrum import NoiseSpectrum
from meddiff_core.physics.scan_noise import ScanNoise
from meddiff_core.training.scan_noise_batch import ScanNoisePrepareBatch

SCHEDULE = NoiseSchedule()
NOISE = ScanNoise(20.0, NoiseSpectrum((0.0, 1.0, 0.0), (1.0, 0.0)))


def batch(*regions):
    """Patches of zeros."""
    shape = (len(regions), 1, 16, 16, 16)
    return {
        "image": torch.zeros(shape),
        "coords": torch.zeros(len(regions), 3, 16, 16, 16),
        "anatomy": torch.ones(shape),
        "region": list(regions),
    }


def test_each_patch_has_the_level_of_its_window():
    torch.manual_seed(0)
    prepare = ScanNoisePrepareBatch(SCHEDULE, NOISE)
    inputs, _, _, conditions = prepare(batch("abdomen", "full"))
    for patch, t, region in zip(inputs, conditions["timesteps"], ("abdomen", "full"), strict=True):
        level = 20.0 * 2 / region_window(region).width
        assert int(t) == SCHEDULE.nearest_timestep(level)
        assert float(patch[0].std() / SCHEDULE.alpha(t).sqrt()) == pytest.approx(level, rel=0.05)
    assert torch.equal(conditions["noise_code"], NOISE.code.expand(2, -1))
    assert bool((inputs[:, 4] == 1).all())  # no condition is dropped


def test_the_target_stands_for_the_clean_patch():
    image = torch.rand(2, 1, 8, 8, 8) - 0.5
    noise = 300 * torch.randn(image.shape)  # some of it is clipped
    patches = ScanNoisePrepareBatch(SCHEDULE, NOISE).with_noise(image, noise, ["abdomen", "chest"])
    x0 = SCHEDULE.to_x0(patches.target, patches.noisy, patches.timesteps)
    torch.testing.assert_close(x0, image, atol=1e-4, rtol=0)


def test_white_noise_is_told_as_zeros():
    image = torch.zeros(1, 1, 8, 8, 8)
    patches = ScanNoisePrepareBatch(SCHEDULE, ScanNoise(20.0)).with_noise(image, image, ["abdomen"])
    assert not patches.noise_code.any()
