"""The kinds of noise: target and input belong together, each in its range, each where it should be."""

from __future__ import annotations

import pytest
import torch

from meddiff_core.diffusion.schedule import PREDICTION_TYPES, NoiseSchedule
from meddiff_core.training.noise_kinds import ColouredNoise, LocalNoise, MeanStart, WhiteNoise

KINDS = (WhiteNoise, ColouredNoise, LocalNoise)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture
def images():
    return torch.rand(6, 1, 24, 24, 24) * 2 - 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("prediction_type", PREDICTION_TYPES)
def test_the_target_gives_back_the_clean_image_where_it_counts(kind, prediction_type, images):
    schedule = NoiseSchedule(prediction_type=prediction_type)
    patches = kind()(schedule, images)
    x0 = schedule.to_x0(patches.target, patches.noisy, patches.timesteps)
    counts = (patches.weight > 0) & (patches.timesteps < 990)[:, None, None, None, None]
    torch.testing.assert_close(x0[counts], images[counts], atol=5e-3, rtol=0)
    assert counts.any()


@pytest.mark.parametrize("kind", KINDS)
def test_timesteps_lie_within_their_range_both_ends_included(kind, images):
    t = kind(timesteps=(10, 12)).draw_timesteps(300, images.device)
    assert sorted(set(t.tolist())) == [10, 11, 12] and t.dtype == torch.long


def test_a_power_below_one_draws_small_timesteps_more_often(images):
    even, more = (WhiteNoise(timesteps=(0, 400), power=p).draw_timesteps(4000, "cpu") for p in (1, 0.5))
    assert float((even < 100).float().mean()) == pytest.approx(0.25, abs=0.03)
    assert float((more < 100).float().mean()) == pytest.approx(0.5, abs=0.03)


def test_coloured_noise_is_correlated_and_told(images):
    noise, codes = ColouredNoise().draw_noise(images.new_zeros(24, 1, 24, 24, 24))
    assert float(noise.var()) == pytest.approx(1.0, abs=0.1)
    neighbours = (noise[:, 0, 1:] * noise[:, 0, :-1]).mean(dim=(1, 2, 3))
    assert float(neighbours.std()) > 0.1  # white noise: 0.01
    assert (codes != 0).any(dim=1).all() and len(codes.unique(dim=0)) == 24
    white, none = WhiteNoise().draw_noise(images)
    assert not none.any() and none.shape[1] == codes.shape[1] and white.shape == images.shape


def test_local_noise_leaves_the_surroundings_clean_and_out_of_the_loss(images):
    patches = LocalNoise(radius=(3, 1 / 3))(NoiseSchedule(), images)
    inside = patches.weight > 0
    assert torch.equal(patches.noisy[~inside], images[~inside])
    assert not (patches.noisy[inside] == images[inside]).any()
    share = inside.flatten(1).float().mean(dim=1)
    assert (share > 0).all() and float(share.max()) < 0.7
    assert set(patches.weight.unique().tolist()) == {0.0, 1.0}
    assert int(patches.timesteps.min()) >= 300


def test_balls_are_round_and_as_large_as_asked():
    for _ in range(20):
        ball = LocalNoise(radius=(4, 5 / 40), balls=1).draw_balls((40, 40, 40)) > 0
        extents = [int(ball.any(dim=d).any(dim=e).sum()) for d, e in ((1, 1), (0, 1), (0, 0))]
        assert 3 <= max(extents) <= 11


def test_the_mean_start_shows_nothing_and_asks_for_the_image(images):
    schedule = NoiseSchedule()
    patches = MeanStart()(schedule, images)
    assert not patches.noisy.any() and set(patches.timesteps.tolist()) == {999}
    torch.testing.assert_close(
        schedule.to_x0(patches.target, patches.noisy, patches.timesteps), images, atol=2e-3, rtol=0
    )
