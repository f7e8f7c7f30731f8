"""What a batch of patches becomes: noise, timesteps, dropped conditions, targets."""

from __future__ import annotations

import pytest
import torch

from meddiff_core.conditions.regions import REGIONS, region_id
from meddiff_core.diffusion.schedule import PREDICTION_TYPES, NoiseSchedule
from meddiff_core.training.prepare_batch import (
    FixedNoisePrepareBatch,
    FoundationPrepareBatch,
    MeanStartPrepareBatch,
)

SHAPE = (4, 4, 4)


def batch(n=6, region=None):
    generator = torch.Generator().manual_seed(0)
    regions = [REGIONS[1 + i % 3] if region is None else region for i in range(n)]
    return {
        "image": torch.rand(n, 1, *SHAPE, generator=generator) * 2 - 1,
        "coords": torch.rand(n, 3, *SHAPE, generator=generator) * 2 - 1,
        "anatomy": torch.randint(1, 120, (n, 1, *SHAPE), generator=generator).to(torch.int16),
        "region": regions,
    }


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.mark.parametrize("prediction_type", PREDICTION_TYPES)
def test_inputs_and_target_belong_together(prediction_type):
    schedule, data = NoiseSchedule(prediction_type=prediction_type), batch()
    kept = {"drop_region": 0, "drop_anatomy": 0, "drop_anatomy_low_noise": 0}
    inputs, target, args, kwargs = FoundationPrepareBatch(schedule, **kept)(data, "cpu")
    assert inputs.shape == (6, 5, *SHAPE) and inputs.dtype == torch.float32
    assert target.shape == (6, 1, *SHAPE)
    assert args == () and set(kwargs) == {"timesteps", "class_labels"}
    t = kwargs["timesteps"]
    assert t.shape == (6,) and t.dtype == torch.long
    x0 = schedule.to_x0(target, inputs[:, :1], t)
    torch.testing.assert_close(x0, data["image"], atol=2e-3, rtol=0)
    noise = schedule.to_noise(data["image"], inputs[:, :1], t)
    assert 0.7 < float(noise.std()) < 1.3
    assert torch.equal(inputs[:, 1:4], data["coords"])
    assert torch.equal(inputs[:, 4:], data["anatomy"].float())
    assert kwargs["class_labels"].tolist() == [region_id(name) for name in data["region"]]


def test_conditions_are_dropped_each_on_its_own_and_as_often_as_asked():
    prepare = FoundationPrepareBatch(
        NoiseSchedule(), drop_region=0.1, drop_anatomy=0.5, drop_anatomy_low_noise=0.5
    )
    inputs, _, _, kwargs = prepare(batch(4000, "chest"))
    no_region = kwargs["class_labels"] == 0
    no_anatomy = (inputs[:, 4:] == 0).flatten(1).all(dim=1)
    assert ((inputs[:, 4:] == 0).flatten(1).any(dim=1) == no_anatomy).all()
    assert float(no_region.float().mean()) == pytest.approx(0.1, abs=0.02)
    assert float(no_anatomy.float().mean()) == pytest.approx(0.5, abs=0.03)
    assert float((no_region & no_anatomy).float().mean()) == pytest.approx(0.05, abs=0.015)


def test_anatomy_is_dropped_more_often_at_low_noise():
    prepare = FoundationPrepareBatch(
        NoiseSchedule(), 0.5, 0.0, (10, 250), drop_anatomy=0.0, drop_anatomy_low_noise=1.0
    )
    inputs, _, _, kwargs = prepare(batch(200, "chest"))
    low = (kwargs["timesteps"] >= 10) & (kwargs["timesteps"] <= 250)
    assert torch.equal(low, (inputs[:, 4:] == 0).flatten(1).all(dim=1)) and low.any() and not low.all()


def test_timesteps_are_a_mixture():
    images = torch.zeros(20000, 1, 1, 1, 1)
    t = FoundationPrepareBatch(NoiseSchedule(), 0.3, 0.4, (10, 250), (600, 999)).get_timesteps(images)
    low, high = ((t >= 10) & (t <= 250)).float().mean(), (t >= 600).float().mean()
    assert float(low) == pytest.approx(0.3 + 0.3 * 241 / 1000, abs=0.02)
    assert float(high) == pytest.approx(0.4 + 0.3 * 400 / 1000, abs=0.02)
    assert int(t.min()) < 10 and int(t.max()) > 980
    assert int(t.min()) >= 0 and int(t.max()) <= 999


def test_the_low_noise_range_includes_both_ends():
    prepare = FoundationPrepareBatch(NoiseSchedule(), 1.0, 0.0, (10, 12))
    t = prepare.get_timesteps(torch.zeros(200, 1, 1, 1, 1))
    assert sorted(set(t.tolist())) == [10, 11, 12]


def test_an_unknown_region_is_refused():
    with pytest.raises(ValueError, match="leg"):
        FoundationPrepareBatch(NoiseSchedule())(batch(1, "leg"))


def test_the_batch_is_not_changed():
    data = batch()
    before = {key: value.clone() for key, value in data.items() if key != "region"}
    FoundationPrepareBatch(NoiseSchedule(), drop_anatomy=1.0, drop_anatomy_low_noise=1.0)(data)
    assert all(torch.equal(data[key], value) for key, value in before.items())


def test_validation_is_the_same_every_time():
    prepare, data = FixedNoisePrepareBatch(NoiseSchedule()), batch()
    inputs, target, _, kwargs = prepare(data)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    again, _, _, _ = prepare(data)
    assert torch.equal(inputs, again)
    assert torch.equal(state, torch.get_rng_state())  # validation does not shift what training draws
    assert torch.equal(target, data["image"])
    assert kwargs["timesteps"].tolist() == [87] * 6 and kwargs["timesteps"].dtype == torch.long
    assert not inputs[:, 4].any()
    assert kwargs["class_labels"].tolist() == [region_id(name) for name in data["region"]]
    other, _, _, _ = FixedNoisePrepareBatch(NoiseSchedule(), seed=1)(data)
    assert not torch.equal(inputs, other)


def test_the_control_follows_the_anatomy():
    data = batch() | {"thick": torch.rand(6, 1, *SHAPE)}
    inputs, *_ = FoundationPrepareBatch(NoiseSchedule(), control_keys=["thick"])(data, "cpu")
    assert inputs.shape == (6, 6, *SHAPE)
    assert torch.equal(inputs[:, 5:], data["thick"])


@pytest.mark.parametrize("prediction_type", ["v_prediction", "sample"])
def test_the_last_timestep_starts_from_the_mean_of_the_noise(prediction_type):
    schedule, data = NoiseSchedule(prediction_type=prediction_type), batch(400)
    inputs, target, _, kwargs = MeanStartPrepareBatch(schedule, mean_start_share=0.5)(data, "cpu")
    last = kwargs["timesteps"] == 999
    assert 0.4 < float(last.float().mean()) < 0.6
    assert not inputs[last, :1].any() and inputs[~last, :1].flatten(1).any(dim=1).all()
    x0 = schedule.to_x0(target, inputs[:, :1], kwargs["timesteps"])
    torch.testing.assert_close(x0[last], data["image"][last], atol=2e-3, rtol=0)
