"""The noise table and the conversions, against the formulas written out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from meddiff_core.diffusion.schedule import PREDICTION_TYPES, NoiseSchedule

TIMESTEPS = torch.tensor([0, 87, 500, 950])


@pytest.fixture
def x0():
    return torch.rand(4, 1, 3, 4, 5, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.fixture
def noise():
    return torch.randn(4, 1, 3, 4, 5, generator=torch.Generator().manual_seed(1))


def _cosine_alpha(t: int) -> float:
    """Improved DDPM, eq. 17: f(t + 1) / f(0), as MONAI counts its timesteps."""
    return (
        math.cos(((t + 1) / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2
        / math.cos(0.008 / 1.008 * math.pi / 2) ** 2
    )


@pytest.mark.parametrize("t", [0, 1, 87, 500, 950, 998])
def test_the_table_is_the_cosine_schedule(t):
    alpha = float(NoiseSchedule().alpha(t))
    assert alpha == pytest.approx(_cosine_alpha(t), rel=2e-3)
    assert float(NoiseSchedule().sigma(t)) == pytest.approx(math.sqrt((1 - alpha) / alpha), rel=1e-5)


def test_tables_that_come_as_betas_are_multiplied_up():
    betas = [1e-4 + (2e-2 - 1e-4) * i / 9 for i in range(10)]
    expected = math.prod(1 - beta for beta in betas[:4])
    assert float(NoiseSchedule(10, "linear_beta").alpha(3)) == pytest.approx(expected, rel=1e-6)


def test_clean_has_alpha_one_and_no_noise(x0, noise):
    schedule = NoiseSchedule()
    assert float(schedule.alpha(-1)) == 1.0
    assert float(schedule.sigma(-1)) == 0.0
    assert torch.equal(schedule.add_noise(x0, noise, -1), x0)
    assert schedule.alpha(torch.tensor([-1, 0]))[0] == 1.0


def test_alpha_broadcasts_one_timestep_per_item(x0):
    assert NoiseSchedule().alpha(TIMESTEPS, x0).shape == (4, 1, 1, 1, 1)
    assert NoiseSchedule().alpha(5, x0).shape == (1, 1, 1, 1, 1)


def test_add_noise_is_eq_1(x0, noise):
    schedule = NoiseSchedule()
    noisy = schedule.add_noise(x0, noise, TIMESTEPS)
    for i, t in enumerate(TIMESTEPS.tolist()):
        a = float(schedule.alpha(t))
        torch.testing.assert_close(noisy[i], math.sqrt(a) * x0[i] + math.sqrt(1 - a) * noise[i])


def test_targets_are_what_their_names_say(x0, noise):
    a = NoiseSchedule().alpha(TIMESTEPS, x0)
    expected = {"sample": x0, "epsilon": noise, "v_prediction": a**0.5 * noise - (1 - a) ** 0.5 * x0}
    for prediction_type, target in expected.items():
        schedule = NoiseSchedule(prediction_type=prediction_type)
        torch.testing.assert_close(schedule.target(x0, noise, TIMESTEPS), target)


@pytest.mark.parametrize("prediction_type", PREDICTION_TYPES)
def test_the_target_leads_back_to_the_clean_image_and_the_noise(prediction_type, x0, noise):
    schedule = NoiseSchedule(prediction_type=prediction_type)
    noisy = schedule.add_noise(x0, noise, TIMESTEPS)
    # eps divides by sqrt(a): 13 times the rounding error at t = 950
    found = schedule.to_x0(schedule.target(x0, noise, TIMESTEPS), noisy, TIMESTEPS)
    torch.testing.assert_close(found, x0, atol=1e-5, rtol=0)
    # and x0 by sqrt(1 - a): 156 times at t = 0
    torch.testing.assert_close(schedule.to_noise(x0, noisy, TIMESTEPS), noise, atol=1e-4, rtol=0)


@pytest.mark.parametrize("prediction_type", PREDICTION_TYPES)
def test_half_precision_goes_in_and_float32_comes_out(prediction_type, x0, noise):
    schedule = NoiseSchedule(prediction_type=prediction_type)
    table = schedule.alphas_cumprod.clone()
    noisy = schedule.add_noise(x0.half(), noise.half(), TIMESTEPS)
    clean = schedule.to_x0(noise.half(), noisy.half(), TIMESTEPS)
    assert noisy.dtype == clean.dtype == torch.float32
    assert schedule.alphas_cumprod.dtype == torch.float32
    assert torch.equal(schedule.alphas_cumprod, table)


def test_nearest_timestep():
    schedule = NoiseSchedule()
    assert schedule.nearest_timestep(0.15) == 87
    assert schedule.nearest_timestep(1e-9) == schedule.nearest_timestep(0.0) == 0
    assert schedule.nearest_timestep(1e9) == 999
    for t in (0, 10, 500, 999):
        assert schedule.nearest_timestep(float(schedule.sigma(t))) == t


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="velocity"):
        NoiseSchedule(prediction_type="velocity")
    with pytest.raises(ValueError, match="cosinus"):
        NoiseSchedule(schedule="cosinus")
