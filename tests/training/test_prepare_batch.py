"""What a batch of patches becomes: noise, timesteps, dropped conditions, targets."""

from __future__ import annotations

import pytest
import torch

from meddiff_core.conditions.regions import REGIONS, region_id
from meddiff_core.diffusion.schedule import PREDICTION_TYPES, NoiseSchedule
from meddiff_core.errors import InputError
from meddiff_core.physics.noise_spectrum import NoiseSpectrum
from meddiff_core.training.noise_kinds import ColouredNoise, LocalNoise, WhiteNoise
from meddiff_core.training.prepare_batch import FixedNoisePrepareBatch, FoundationPrepareBatch

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
    prepare = FoundationPrepareBatch(schedule, [WhiteNoise(drop_anatomy=0.0)], drop_region=0.0)
    inputs, target, args, kwargs = prepare(data, "cpu")
    assert inputs.shape == (6, 5, *SHAPE) and inputs.dtype == torch.float32
    assert target.shape == (6, 2, *SHAPE) and torch.equal(target[:, 1:], torch.ones(6, 1, *SHAPE))
    assert args == () and set(kwargs) == {"timesteps", "class_labels", "noise_code"}
    t = kwargs["timesteps"]
    assert t.shape == (6,) and t.dtype == torch.long
    x0 = schedule.to_x0(target[:, :1], inputs[:, :1], t)
    torch.testing.assert_close(x0, data["image"], atol=2e-3, rtol=0)
    noise = schedule.to_noise(data["image"], inputs[:, :1], t)
    assert 0.7 < float(noise.std()) < 1.3
    assert torch.equal(inputs[:, 1:4], data["coords"])
    assert torch.equal(inputs[:, 4:], data["anatomy"].float())
    assert kwargs["class_labels"].tolist() == [region_id(name) for name in data["region"]]


def test_conditions_are_dropped_each_on_its_own_and_as_often_as_asked():
    prepare = FoundationPrepareBatch(NoiseSchedule(), [WhiteNoise(drop_anatomy=0.5)], drop_region=0.1)
    inputs, _, _, kwargs = prepare(batch(2000, "chest"))
    no_region = kwargs["class_labels"] == 0
    no_anatomy = (inputs[:, 4:] == 0).flatten(1).all(dim=1)
    assert ((inputs[:, 4:] == 0).flatten(1).any(dim=1) == no_anatomy).all()
    assert float(no_region.float().mean()) == pytest.approx(0.1, abs=0.03)
    assert float(no_anatomy.float().mean()) == pytest.approx(0.5, abs=0.04)
    assert float((no_region & no_anatomy).float().mean()) == pytest.approx(0.05, abs=0.02)


def test_each_patch_gets_one_kind_by_the_shares_and_keeps_what_belongs_to_it():
    kinds = [
        WhiteNoise(0.5, timesteps=(600, 999), drop_anatomy=0.0),
        ColouredNoise(0.3, timesteps=(10, 250), drop_anatomy=1.0),
        LocalNoise(0.2, timesteps=(300, 500), drop_anatomy=0.0, radius=(1, 0.5)),
    ]
    prepare = FoundationPrepareBatch(NoiseSchedule(), kinds)
    inputs, target, _, kwargs = prepare(batch(400, "chest"))
    t = kwargs["timesteps"]
    coloured = t <= 250
    assert float((t >= 600).float().mean()) == pytest.approx(0.5, abs=0.1)
    assert float(coloured.float().mean()) == pytest.approx(0.3, abs=0.1)
    assert torch.equal(coloured, (kwargs["noise_code"][:, :-1] != 0).any(dim=1))
    assert torch.equal((t >= 300) & (t <= 500), kwargs["noise_code"][:, -1] == 1)
    assert torch.equal(coloured, (inputs[:, 4:] == 0).flatten(1).all(dim=1))
    assert torch.equal((t >= 300) & (t <= 500), (target[:, 1:] == 0).flatten(1).any(dim=1))


def test_a_patch_gets_no_noise_before_its_least_timestep():
    kinds = [WhiteNoise(0.9, timesteps=(1, 250)), WhiteNoise(0.1, timesteps=(500, 999))]
    least = torch.tensor([0, 600] * 50)
    t = FoundationPrepareBatch(NoiseSchedule(), kinds)(batch(100) | {"min_timestep": least})[3]["timesteps"]
    assert (t[least == 600] >= 600).all() and float((t[least == 0] <= 250).float().mean()) > 0.7
    with pytest.raises(InputError, match="reaches timestep 600"):
        FoundationPrepareBatch(NoiseSchedule(), kinds[:1])(batch(100) | {"min_timestep": least})


def test_an_unknown_region_is_refused():
    with pytest.raises(ValueError, match="leg"):
        FoundationPrepareBatch(NoiseSchedule())(batch(1, "leg"))


def test_the_batch_is_not_changed():
    data = batch()
    before = {key: value.clone() for key, value in data.items() if key != "region"}
    FoundationPrepareBatch(NoiseSchedule(), [LocalNoise(drop_anatomy=1.0, radius=(1, 0.5))])(data)
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
    assert not kwargs["noise_code"].any()


def test_validation_in_coloured_noise_tells_its_spectrum():
    spectrum = NoiseSpectrum.of_scanner((1.0, 1.0, 2.5))
    _, target, _, kwargs = FixedNoisePrepareBatch(NoiseSchedule(), spectrum=spectrum)(batch(2))
    torch.testing.assert_close(kwargs["noise_code"], torch.stack([spectrum.code()] * 2))
    assert target.shape == (2, 1, *SHAPE)


def test_the_control_follows_the_anatomy():
    data = batch() | {"thick": torch.rand(6, 1, *SHAPE)}
    inputs, *_ = FoundationPrepareBatch(NoiseSchedule(), control_keys=["thick"])(data, "cpu")
    assert inputs.shape == (6, 6, *SHAPE)
    assert torch.equal(inputs[:, 5:], data["thick"])
