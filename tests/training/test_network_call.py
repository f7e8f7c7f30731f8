"""The network's call in training and validation."""

from __future__ import annotations

import pytest
import torch

from meddiff_core.diffusion.schedule import PREDICTION_TYPES, NoiseSchedule
from meddiff_core.errors import InputError
from meddiff_core.training.network_call import AutocastInferer, OneStepInferer


class Spy(torch.nn.Module):
    """A convolution that notes what precision it runs in and which arguments it gets."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv3d(5, 1, 1)

    def forward(self, x, timesteps=None, class_labels=None):
        result = self.conv(x)
        self.dtype, self.timesteps, self.class_labels = result.dtype, timesteps, class_labels
        return result


@pytest.mark.parametrize("precision", ["bfloat16", "float16", "float32"])
def test_the_network_runs_in_the_named_precision_and_float32_comes_out(precision):
    network, x, t = Spy(), torch.randn(2, 5, 4, 4, 4), torch.tensor([1, 2])
    result = AutocastInferer(precision)(x, network, timesteps=t, class_labels=t)
    assert network.dtype == getattr(torch, precision)
    assert result.dtype == torch.float32
    assert result.requires_grad
    assert network.timesteps is t and network.class_labels is t


@pytest.mark.parametrize(
    ("units", "expected"),
    [({"avx512_bf16": True}, torch.bfloat16), ({"amx_bf16": True}, torch.bfloat16), ({}, torch.float32)],
)
def test_auto_takes_bfloat16_where_the_cpu_computes_in_it(monkeypatch, units, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: units)
    network = Spy()
    AutocastInferer()(torch.randn(1, 5, 4, 4, 4), network)
    assert network.dtype == expected


def test_autocast_ends_with_the_call():
    AutocastInferer("bfloat16")(torch.randn(1, 5, 4, 4, 4), Spy())
    assert not torch.is_autocast_enabled("cpu")


def test_an_unknown_precision_is_refused():
    with pytest.raises(InputError, match="half"):
        AutocastInferer("half")


@pytest.mark.parametrize("prediction_type", PREDICTION_TYPES)
def test_one_step_turns_the_prediction_into_the_clean_image(prediction_type):
    schedule = NoiseSchedule(prediction_type=prediction_type)
    clean = torch.rand(2, 1, 4, 4, 4) * 2 - 1
    noise, t = torch.randn(2, 1, 4, 4, 4), torch.tensor([87, 300])
    inputs = torch.cat([schedule.add_noise(clean, noise, t), torch.zeros(2, 4, 4, 4, 4)], dim=1)

    def network(x, timesteps, class_labels):
        return schedule.target(clean, noise, timesteps)

    result = OneStepInferer(schedule)(inputs, network, timesteps=t, class_labels=t)
    torch.testing.assert_close(result, clean, atol=1e-5, rtol=0)


def test_one_step_clamps():
    schedule = NoiseSchedule(prediction_type="sample")
    t = torch.zeros(1, dtype=torch.long)
    result = OneStepInferer(schedule)(
        torch.zeros(1, 5, 2, 2, 2),
        lambda x, timesteps, class_labels: x[:, :1] + 4,
        timesteps=t,
        class_labels=t,
    )
    assert float(result.max()) == 1.0
