"""The sampling loop that every task shares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch

from meddiff_core.diffusion.schedule import NoiseSchedule
from meddiff_core.diffusion.timesteps import CLEAN


class Solver(Protocol):
    """Anything with a step from `x_t` and its clean image to the next timestep: `DDIM`, `DPMSolver2M`, ..."""

    def step(self, x0: torch.Tensor, x_t: torch.Tensor, t: int, t_next: int) -> torch.Tensor: ...


def sample(
    denoiser: Callable[[torch.Tensor, int], torch.Tensor],
    x: torch.Tensor,
    timesteps: Sequence[int],
    schedule: NoiseSchedule,
    solver: Solver,
    correct: Callable[[torch.Tensor, int], torch.Tensor] | None = None,
    clamp: bool = True,
) -> torch.Tensor:
    """Go from noise to image: predict, turn into x0, clamp, correct, step.

    Args:
        denoiser: `(x_t, t) -> prediction` of the whole volume, `(B, 1, X, Y, Z)`; see `WindowedDenoiser`.
        x: where to start, at `timesteps[0]`.
        timesteps: descending; after the last one comes the clean image.
        schedule: noise schedule, which knows what the network predicts.
        solver: the step.
        correct: called as `(x0, t) -> x0` before each step but the last: data consistency, previews.
        clamp: clamp x0 to [-1, 1], where the training data lies.

    Returns:
        The clean image, float32.
    """
    following = [*timesteps[1:], CLEAN]
    for t, t_next in zip(timesteps, following, strict=True):
        x0 = schedule.to_x0(denoiser(x, t), x, t)
        if clamp:
            x0 = x0.clamp(-1, 1)
        if t_next == CLEAN:
            return x0
        if correct is not None:
            x0 = correct(x0, t)
        x = solver.step(x0, x, t, t_next)
    return x
