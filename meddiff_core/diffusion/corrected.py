"""A denoiser with a data term, for loops that have no place for one."""

from __future__ import annotations

from collections.abc import Callable

import torch

from meddiff_core.diffusion.schedule import NoiseSchedule


def corrected(
    denoiser: Callable[[torch.Tensor, int], torch.Tensor],
    schedule: NoiseSchedule,
    correct: Callable[[torch.Tensor, int], torch.Tensor],
) -> Callable[[torch.Tensor, int], torch.Tensor]:
    """A denoiser `(x_t, t) -> prediction` whose clean image, clamped to [-1, 1], goes through a data term.

    Args:
        denoiser: of the whole volume, `(B, 1, X, Y, Z)`.
        schedule: noise schedule, which knows what the network predicts.
        correct: the data term `(x0, t) -> x0`.
    """

    def denoise(x_t: torch.Tensor, t: int) -> torch.Tensor:
        x0 = schedule.to_x0(denoiser(x_t, t), x_t, t).clamp(-1, 1)
        return schedule.from_x0(correct(x0, t), x_t, t)

    return denoise
