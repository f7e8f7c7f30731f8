"""What lies outside the HU window of the region is inferred in that of all HU, only there, and joined."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from grouped_options import grouped

from meddiff_core.conditions.regions import FULL, region_id, region_window
from meddiff_core.diffusion.schedule import NoiseSchedule
from meddiff_core.inferers.denoising import DenoisingInferer

ABDOMEN, WHOLE = region_window("abdomen"), region_window(FULL)
SCHEDULE = NoiseSchedule()
SHAPE = (64, 64, 32)
BONE = (slice(8, 14), slice(8, 14), slice(8, 14))


@pytest.fixture
def body() -> torch.Tensor:
    """HU: soft tissue with a piece of bone in one corner."""
    hu = torch.full((1, 1, *SHAPE), 40.0)
    hu[(..., *BONE)] = 900.0
    return hu


INNER, OUTER = (SCHEDULE.nearest_timestep(20 * 2 / hu_window.width) for hu_window in (ABDOMEN, WHOLE))
"""The same noise in HU is an earlier timestep in the wider window."""


def network_of(hu, known_image):
    """Knows the image, in the window that it is shown in: that of the region, or of all HU."""
    return known_image(abdomen=ABDOMEN.to_unit(hu).clamp(-1, 1), at_timestep={OUTER: WHOLE.to_unit(hu)})


def denoise(image, network, **options):
    options = {"noise_level": 20.0, "region": "abdomen", "window_size": 32} | options
    return DenoisingInferer(SCHEDULE, **grouped(**options))(ABDOMEN.to_unit(image), network).as_tensor()


def noisy(hu, sigma=20.0):
    return hu + sigma * torch.randn(hu.shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("skip_air", [True, False])
def test_the_result_holds_all_hu(body, known_image, skip_air):
    result = denoise(noisy(body), network_of(body, known_image), skip_air=skip_air)
    torch.testing.assert_close(ABDOMEN.to_hu(result), body, atol=0.5, rtol=0)


def test_only_windows_that_hold_something_outside_are_seen_in_the_full_window(body, known_image):
    network = network_of(body, known_image)
    denoise(noisy(body), network)
    assert network.timesteps.count(OUTER) == 1
    assert 0 < network.timesteps.count(INNER) < 20
    assert set(network.timesteps) == {INNER, OUTER}
    assert set(network.regions) == {region_id("abdomen")}


def test_where_all_lies_inside_there_is_no_second_pass(known_image):
    hu = torch.full((1, 1, *SHAPE), 40.0)
    network = network_of(hu, known_image)
    denoise(noisy(hu), network)
    assert set(network.timesteps) == {INNER}


def test_air_far_from_the_body_needs_no_network_and_has_its_own_level(known_image):
    hu = torch.full((1, 1, *SHAPE), -1000.0)
    hu[..., 16:40, 16:40, :] = 40.0
    network = network_of(hu, known_image)
    result = ABDOMEN.to_hu(denoise(noisy(hu), network))
    torch.testing.assert_close(result, hu, atol=3.0, rtol=0)
    seen = zip(network.inputs, network.timesteps, strict=True)
    voxels = sum(x[0, 0].numel() for x, timestep in seen if timestep == OUTER)
    assert voxels < 0.8 * np.prod(SHAPE)


def test_a_dry_run_counts_both_passes(body, known_image, caplog):
    with caplog.at_level(logging.INFO, logger="meddiff"):
        result = denoise(noisy(body), network_of(body, known_image), dry_run=True)
    assert torch.isfinite(result).all()
    assert any("HU window of abdomen" in line for line in caplog.messages)
    assert any("in all HU" in line for line in caplog.messages)
