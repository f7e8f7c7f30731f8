"""Nothing outside the window is lost, noise at its edges is still removed, and there is no jump between."""

from __future__ import annotations

import pytest
import torch

from meddiff_core.conditions.regions import REGIONS, HUWindow, region_window
from meddiff_core.conditions.window_edge import restore_outside_window

ABDOMEN = region_window("abdomen")  # -120 to 240 HU


def ramp(window: HUWindow, beyond: float = 400.0) -> torch.Tensor:
    return torch.arange(window.lower - beyond, window.upper + beyond, 0.25)


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("noise_level", [0.0, 20.0])
def test_a_perfect_prediction_gives_the_original_back_inside_and_outside(region, noise_level):
    window = region_window(region)
    original = ramp(window, 1500)
    prediction = window.to_unit(original).clamp(-1, 1)
    restored = restore_outside_window(prediction, original, window, noise_level)
    torch.testing.assert_close(restored, original, atol=1e-2, rtol=0)


@pytest.mark.parametrize("noise_level", [0.0, 5.0, 20.0])
def test_what_is_far_outside_is_kept_whatever_the_prediction_says(noise_level):
    original = ramp(ABDOMEN, 1500)
    restored = restore_outside_window(torch.zeros_like(original), original, ABDOMEN, noise_level)
    reach = 4 * max(noise_level, 0.005 * ABDOMEN.width) + 1
    far = (original < ABDOMEN.lower - reach) | (original > ABDOMEN.upper + reach)
    assert torch.equal(restored[far], original[far])
    inside = (original > ABDOMEN.lower) & (original < ABDOMEN.upper)
    assert (restored[inside] == ABDOMEN.level).all()


@pytest.mark.parametrize("error", [-0.04, -0.01, 0.01, 0.04])
def test_there_is_no_jump_along_a_ramp(error):
    original = ramp(ABDOMEN)
    prediction = ABDOMEN.to_unit(original).clamp(-1, 1) + error
    restored = restore_outside_window(prediction, original, ABDOMEN, noise_level=10.0)
    # 0.25 HU is the ramp's own step; the hand-over may add 1.2 % of the half-width where it begins
    assert float(restored.diff().abs().max()) < 0.25 + 0.012 * ABDOMEN.width / 2 + 0.5


def test_there_is_no_jump_along_the_prediction():
    prediction = torch.linspace(-1.2, 1.2, 4801)
    for excess in (1.0, 15.0, 300.0):
        original = torch.full_like(prediction, ABDOMEN.upper + excess)
        restored = restore_outside_window(prediction, original, ABDOMEN, noise_level=10.0)
        # the steepest smooth step: 1.5 times the height over 5 % of the half-width
        height = original - ABDOMEN.to_hu(torch.tensor(0.95))
        assert float(restored.diff().abs().max()) < 1.5 * float(height.max()) * 0.0005 / 0.05 + 0.1


def test_noise_that_crosses_the_edge_is_removed():
    """Fat lies 20 HU inside the abdomen window, and a third of its noise of 40 HU outside."""
    noise = 40 * torch.randn(20000, generator=torch.Generator().manual_seed(0))
    original = -100 + noise
    assert float((original < ABDOMEN.lower).float().mean()) > 0.25
    restored = restore_outside_window(
        ABDOMEN.to_unit(torch.full_like(noise, -100.0)), original, ABDOMEN, 40.0
    )
    assert float((restored == -100).float().mean()) > 0.98
    assert float(restored.std()) < 0.2 * 40


def test_the_edge_that_counts_is_the_one_the_original_crossed():
    original = torch.tensor([ABDOMEN.lower - 30.0, ABDOMEN.upper + 30.0])
    opposite = torch.tensor([0.99, -0.99])
    restored = restore_outside_window(opposite, original, ABDOMEN, noise_level=40.0)
    torch.testing.assert_close(restored, ABDOMEN.to_hu(opposite))
