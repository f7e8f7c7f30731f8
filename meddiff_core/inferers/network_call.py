"""The plain call of the network that training and validation need: one patch, one timestep."""

from __future__ import annotations

from typing import Any

import torch
from monai.inferers import SimpleInferer

from meddiff_core.diffusion.schedule import NoiseSchedule


class AutocastInferer(SimpleInferer):
    """Calls the network under autocast and returns float32, on any device.

    MONAI's trainer has an `amp` option of its own, which always means CUDA; a CPU with bfloat16 units
    (AVX512-BF16, AMX) trains twice as fast in it.

    Args:
        dtype: what the network runs in, `bfloat16` or `float16`; None switches autocast off.
    """

    def __init__(self, dtype: str | None = "bfloat16") -> None:
        super().__init__()
        self.dtype = None if dtype is None else getattr(torch, dtype)

    def __call__(self, inputs: torch.Tensor, network: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        enabled = self.dtype is not None
        with torch.autocast(inputs.device.type, dtype=self.dtype or torch.bfloat16, enabled=enabled):
            prediction = super().__call__(inputs, network, *args, **kwargs)
        return prediction.float()


class OneStepInferer(AutocastInferer):
    """The clean image that the network sees behind a noisy patch, clamped to [-1, 1]; for validation.

    Args:
        schedule: noise schedule.
        dtype: as in `AutocastInferer`.
    """

    def __init__(self, schedule: NoiseSchedule, dtype: str | None = None) -> None:
        super().__init__(dtype)
        self.schedule = schedule

    def __call__(
        self, inputs: torch.Tensor, network: Any, timesteps: torch.Tensor, class_labels: torch.Tensor
    ) -> torch.Tensor:
        prediction = super().__call__(inputs, network, timesteps=timesteps, class_labels=class_labels)
        return self.schedule.to_x0(prediction, inputs[:, :1], timesteps).clamp(-1, 1)
