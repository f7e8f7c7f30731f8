"""Nothing outside the window is lost, noise at its edges is still removed, and there is no jump between."""

from __future__ import annotations

import pytest
import torch

from meddiff_core.conditions.regions import REGIONS, HUWindow, region_window
from meddiff_core.conditions.window_edge import (
    EDGE,
    beyond_window,
    join_at_window_edge,
    keep_beyond_full,
)

ABDOMEN = region_window("abdomen")  # -120 to 240 HU


def ramp(window: HUWindow, beyond: float = 400.0) -> torch.Tensor:
    """In the scale of the window, a quarter of a HU a voxel."""
    return window.to_unit(torch.arange(window.lower - beyond, window.upper + beyond, 0.25))


@pytest.mark.parametrize("region", REGIONS)
def test_two_perfect_images_give_the_truth_inside_and_outside(region):
    truth = ramp(region_window(region), 1500)
    torch.testing.assert_close(join_at_window_edge(truth.clamp(-1, 1), truth), truth, atol=1e-5, rtol=0)


def test_far_inside_only_the_inner_image_counts_and_far_outside_only_the_outer():
    inside = torch.tensor([0.3, -0.5, 0.2, -0.9, 0.9])
    outside = torch.tensor([0.7, -1.3, 1.2, -1.9, 2.0])
    joined = join_at_window_edge(inside, outside)
    torch.testing.assert_close(joined, torch.tensor([0.3, -0.5, 0.2, -1.9, 2.0]))


@pytest.mark.parametrize("error", [-0.04, -0.01, 0.01, 0.04])
def test_there_is_no_jump_along_a_ramp(error):
    truth = ramp(ABDOMEN)
    joined = join_at_window_edge(truth.clamp(-1, 1) + error, truth - error)
    # 0.25 HU is the ramp's own step; the steepest smooth step: 1.5 times the height over the hand-over
    steepest = 0.25 / ABDOMEN.width * 2 * (1 + 1.5 * 2 * abs(error) / (1 - EDGE))
    assert float(joined.diff().abs().max()) <= steepest + 1e-5


def test_the_way_back_from_outside_ends_inside_without_clipping():
    """The inner image cannot exceed its window; the outer one is taken before that shows."""
    truth = ramp(ABDOMEN)
    blunt = truth.clamp(-0.99, 0.99)  # a network shies away from the ends
    joined = join_at_window_edge(blunt, truth)
    assert float((joined - truth).abs().max()) < 0.005


def test_the_images_stay_as_they_were():
    inside, outside = torch.tensor([2.0, 0.1]), torch.tensor([3.0, 0.2])
    join_at_window_edge(inside, outside)
    assert inside.tolist() == [2.0, pytest.approx(0.1)] and outside.tolist() == [3.0, pytest.approx(0.2)]


def test_every_voxel_that_the_outer_image_may_give_is_beyond_the_window():
    inside = torch.linspace(-1, 1, 401)
    known = inside.clone()  # where nothing lies outside, the outer image is the inner one
    moved = join_at_window_edge(inside, known + 0.001) != join_at_window_edge(inside, known)
    assert not (moved & ~beyond_window(inside, inside, noise=0.0)).sum() > 1  # but for rounding


def test_a_small_thing_that_the_inner_image_does_not_show_is_beyond_but_noise_is_not():
    inside, noise = torch.zeros(3), 0.2
    image = torch.tensor([1 + 4 * noise, 1 + 6 * noise, -1 - 6 * noise])
    assert beyond_window(inside, image, noise).tolist() == [False, True, True]


@pytest.mark.parametrize("noise_level", [0.0, 30.0])
def test_only_padding_and_metal_pass_through(noise_level):
    original = torch.tensor([-3024.0, -2000.0, -1024.0, -1000.0, 0.0, 3000.0, 3071.0, 8000.0])
    result = torch.full_like(original, 100.0)
    kept = keep_beyond_full(result, original, noise_level)
    assert kept.tolist() == [-3024, -2000, 100, 100, 100, 100, 100, 8000]


def test_noisy_air_is_no_padding():
    air = -1000 + 40 * torch.randn(20000, generator=torch.Generator().manual_seed(0))
    assert float((air < -1024).float().mean()) > 0.2
    kept = keep_beyond_full(torch.full_like(air, -1000.0), air, 40.0)
    assert float((kept == -1000).float().mean()) > 0.99
    assert float(kept.std()) < 0.25 * 40
