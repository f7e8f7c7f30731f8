"""The plan by its numbers, and two correlated voxels, one known: the other must follow its condition."""

from __future__ import annotations

import pytest
import torch

from meddiff_core.diffusion.ddim import DDIM
from meddiff_core.diffusion.repaint import _forward, evaluations, repaint, resampling_plan
from meddiff_core.diffusion.schedule import NoiseSchedule
from meddiff_core.diffusion.timesteps import CLEAN, timestep_list

STD, CORRELATION, KNOWN = 0.3, 0.9, 0.5
# pairs along the first axis: the known voxel, then the unknown one
SHAPE = (1, 1, 2, 50, 50)


def oracle(schedule: NoiseSchedule):
    """The exact denoiser of pairs from a Gaussian of mean 0: `E[x0 | x_t]`, as v."""
    covariance = STD**2 * torch.tensor([[1, CORRELATION], [CORRELATION, 1]], dtype=torch.float64)

    def denoiser(x_t, t):
        a = schedule.alpha(t).double()
        gain = a.sqrt() * covariance @ torch.linalg.inv(a * covariance + (1 - a) * torch.eye(2))
        x0 = torch.einsum("ij,bcjyz->bciyz", gain, x_t.double())
        return ((a.sqrt() * x_t - x0) / (1 - a).sqrt()).float()

    return denoiser


def pairs(rounds, jump_length=5, steps=50, seed=0):
    """The unknown voxels of pairs whose other voxel is `KNOWN`."""
    schedule, generator = NoiseSchedule(), torch.Generator().manual_seed(seed)
    plan = resampling_plan(timestep_list(schedule, steps, spacing="linear"), jump_length, rounds)
    known, mask = torch.full(SHAPE, KNOWN), torch.zeros(SHAPE)
    known[:, :, 1], mask[:, :, 1] = 100.0, 1.0  # must not be looked at
    x = torch.randn(SHAPE, generator=generator)
    solver = DDIM(schedule, 1.0, generator)
    result = repaint(oracle(schedule), x, plan, schedule, solver, known, mask, generator, clamp=False)
    return result[0, 0, 1]


def test_the_plan_goes_down_and_jumps_back_to_the_top_of_each_stretch():
    steps = [90, 70, 50, 30, 10]
    assert resampling_plan(steps, 2, 1) == [*steps, CLEAN]
    assert resampling_plan(steps, 2, 2) == [
        *(90, 70, 50, 90, 70, 50),
        *(30, 10, 50, 30, 10),
        *(CLEAN, 10, CLEAN),
    ]
    assert resampling_plan(steps, 5, 3) == [*steps, CLEAN, *steps, CLEAN, *steps, CLEAN]


@pytest.mark.parametrize(("steps", "jump_length", "rounds"), [(50, 5, 3), (7, 3, 2), (1, 5, 2), (4, 1, 4)])
def test_every_step_is_evaluated_once_a_round(steps, jump_length, rounds):
    plan = resampling_plan(list(range(steps))[::-1], jump_length, rounds)
    assert evaluations(plan) == steps * rounds
    assert plan[0] == steps - 1 and plan[-1] == CLEAN


def test_the_unknown_follows_the_known_as_the_gaussian_says_and_resampling_brings_it_closer():
    mean, std = CORRELATION * KNOWN, STD * (1 - CORRELATION**2) ** 0.5
    once, thrice, often = (pairs(rounds) for rounds in (1, 3, 10))
    errors = [abs(float(x.mean()) - mean) for x in (once, thrice, often)]
    assert errors[0] > 0.14 and errors[1] < 0.08 and errors[2] < 0.06
    assert float(once.std()) > 1.15 * std
    assert float(thrice.std()) == pytest.approx(std, rel=0.05)
    assert float(often.std()) == pytest.approx(std, rel=0.05)


@pytest.mark.parametrize(("t", "t_next"), [(CLEAN, 300), (100, 500), (500, 999)])
def test_a_jump_up_is_the_exact_forward_process(t, t_next):
    """Noised to t and then to t_next is the same as noised to t_next at once."""
    schedule, generator = NoiseSchedule(), torch.Generator().manual_seed(0)
    x0 = torch.full((1, 1, 40, 40, 40), 0.7)
    x_t = schedule.add_noise(x0, torch.randn(x0.shape, generator=generator), t)
    x = _forward(x_t, t, t_next, schedule, generator)
    a = float(schedule.alpha(t_next))
    assert float(x.mean()) == pytest.approx(0.7 * a**0.5, abs=0.015)
    assert float(x.std()) == pytest.approx((1 - a) ** 0.5, rel=0.01)


class Spied:
    """Predicts a constant clean image and notes what it sees."""

    def __init__(self, schedule, value=0.2):
        self.schedule, self.value, self.seen = schedule, value, []

    def __call__(self, x_t, t):
        self.seen.append((t, x_t.clone()))
        a = self.schedule.alpha(t)
        return (a.sqrt() * x_t - self.value) / (1 - a).sqrt()


def repaint_spied(mask, plan, seed=0):
    """What a `Spied` sees on a walk beside a known image of -0.8, and the result."""
    schedule, generator = NoiseSchedule(), torch.Generator().manual_seed(seed)
    network = Spied(schedule)
    known = torch.full(mask.shape, -0.8)
    x = torch.randn(mask.shape, generator=generator)
    solver = DDIM(schedule, 1.0, generator)
    return repaint(network, x, plan, schedule, solver, known, mask, generator), network.seen


@pytest.mark.parametrize("weight", [0.0, 0.25, 0.5, 1.0])
def test_a_soft_mask_mixes_the_images_and_keeps_the_level_of_the_noise(weight):
    schedule, mask = NoiseSchedule(), torch.full((1, 1, 32, 32, 32), weight)
    _, seen = repaint_spied(mask, [999, 600, 300, 600, 100, CLEAN])
    assert [t for t, _ in seen] == [999, 600, 600, 100]
    mixed = float(schedule.alpha(600).sqrt()) * (-0.8 + weight)
    assert float(seen[1][1].mean()) == pytest.approx(mixed, abs=0.02)
    for t, x in seen[1:]:
        assert float(x.std()) == pytest.approx(float((1 - schedule.alpha(t)).sqrt()), rel=0.02)


def test_the_known_part_gets_fresh_noise_in_every_step():
    schedule, mask = NoiseSchedule(), torch.zeros(1, 1, 16, 16, 16)
    _, seen = repaint_spied(mask, [900, 600, 300, CLEAN])
    noises = [(x + schedule.alpha(t).sqrt() * 0.8).flatten() for t, x in seen[1:]]
    assert abs(float(torch.corrcoef(torch.stack(noises))[0, 1])) < 0.05


def test_the_result_is_the_networks_own_and_the_seed_decides_it():
    mask = torch.zeros(1, 1, 8, 8, 8)
    mask[:, :, 4:] = 1
    (first, seen), (_, again), (_, other) = (repaint_spied(mask, [900, 300, CLEAN], s) for s in (0, 0, 1))
    torch.testing.assert_close(first, torch.full_like(first, 0.2), atol=1e-4, rtol=0)
    assert torch.equal(seen[1][1], again[1][1])
    assert not torch.equal(seen[1][1], other[1][1])


@pytest.mark.parametrize("clamp", [True, False])
def test_the_clean_image_is_clamped_unless_told_otherwise(clamp):
    schedule, ones = NoiseSchedule(), torch.ones(1, 1, 4, 4, 4)
    solver = DDIM(schedule, 1.0, torch.Generator().manual_seed(0))
    plan = [900, 300, CLEAN]
    result = repaint(Spied(schedule, 3.0), ones, plan, schedule, solver, 0 * ones, ones, clamp=clamp)
    torch.testing.assert_close(result, (1.0 if clamp else 3.0) * ones, atol=1e-4, rtol=0)
