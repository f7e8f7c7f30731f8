"""What lies outside the window of the region is inferred in the window of `full`, only there, and joined."""

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


def network_of(hu, known_image):
    return known_image(abdomen=ABDOMEN.to_unit(hu).clamp(-1, 1), full=WHOLE.to_unit(hu))


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
    outer = [n for n, region in enumerate(network.regions) if region == region_id(FULL)]
    assert len(outer) == 1
    assert 0 < len(network.regions) - len(outer) < 20
    # the same noise in HU is an earlier timestep there
    inner = SCHEDULE.nearest_timestep(20 * 2 / ABDOMEN.width)
    assert set(network.timesteps) == {inner, SCHEDULE.nearest_timestep(20 * 2 / WHOLE.width)}


def test_where_all_lies_inside_there_is_no_second_pass(known_image):
    hu = torch.full((1, 1, *SHAPE), 40.0)
    network = network_of(hu, known_image)
    denoise(noisy(hu), network)
    assert region_id(FULL) not in network.regions


def test_air_far_from_the_body_needs_no_network_and_has_its_own_level(known_image):
    hu = torch.full((1, 1, *SHAPE), -1000.0)
    hu[..., 16:40, 16:40, :] = 40.0
    network = network_of(hu, known_image)
    result = ABDOMEN.to_hu(denoise(noisy(hu), network))
    torch.testing.assert_close(result, hu, atol=3.0, rtol=0)
    seen = zip(network.inputs, network.regions, strict=True)
    voxels = sum(x[0, 0].numel() for x, region in seen if region == region_id(FULL))
    assert voxels < 0.8 * np.prod(SHAPE)


def test_a_dry_run_counts_both_passes(body, known_image, caplog):
    with caplog.at_level(logging.INFO, logger="meddiff"):
        result = denoise(noisy(body), network_of(body, known_image), dry_run=True)
    assert torch.isfinite(result).all()
    assert any("abdomen window" in line for line in caplog.messages)
    assert any("full window" in line for line in caplog.messages)
