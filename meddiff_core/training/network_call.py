"""The plain call of the network that training and validation need: one patch, one timestep."""

from __future__ import annotations

from typing import Any

import torch
from monai.inferers import SimpleInferer

from meddiff_core.diffusion.schedule import NoiseSchedule
from meddiff_core.inferers.precision import check_precision, network_autocast


class AutocastInferer(SimpleInferer):
    """Calls the network under autocast and returns float32, on any device.

    MONAI's trainer has an `amp` option of its own, which always means CUDA.

    Args:
        precision: what the network runs in, see `network_autocast`.
    """

    def __init__(self, precision: str = "auto") -> None:
        super().__init__()
        self.precision = check_precision(precision)

    def __call__(self, inputs: torch.Tensor, network: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        with network_autocast(inputs.device, self.precision):
            prediction = super().__call__(inputs, network, *args, **kwargs)
        return prediction.float()


class OneStepInferer(AutocastInferer):
    """The clean image that the network sees behind a noisy patch, clamped to [-1, 1]; for validation.

    Args:
        schedule: noise schedule.
        precision: as in `AutocastInferer`.
    """

    def __init__(self, schedule: NoiseSchedule, precision: str = "auto") -> None:
        super().__init__(precision)
        self.schedule = schedule

    def __call__(
        self, inputs: torch.Tensor, network: Any, timesteps: torch.Tensor, **conditions: torch.Tensor
    ) -> torch.Tensor:
        prediction = super().__call__(inputs, network, timesteps=timesteps, **conditions)
        return self.schedule.to_x0(prediction, inputs[:, :1], timesteps).clamp(-1, 1)
