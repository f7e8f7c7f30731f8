"""DDIM, arXiv 2010.02502, on the grid of timesteps that it is given."""

from __future__ import annotations

import torch

from meddiff_core.diffusion.noise import noise_like
from meddiff_core.diffusion.schedule import NoiseSchedule


class DDIM:
    """One step from `x_t` and its clean image to the next timestep (DDIM, eq. 12 and 16).

    MONAI's `DDIMScheduler.step` subtracts a fixed stride from t; this one goes where the list says.

    Args:
        schedule: noise schedule.
        eta: 0 is deterministic, 1 has the variance of DDPM.
        generator: source of the fresh noise if `eta` is above 0.
    """

    def __init__(
        self, schedule: NoiseSchedule, eta: float = 0.0, generator: torch.Generator | None = None
    ) -> None:
        self.schedule = schedule
        self.eta = eta
        self.generator = generator

    def step(self, x0: torch.Tensor, x_t: torch.Tensor, t: int, t_next: int) -> torch.Tensor:
        """From `x_t` at `t`, whose clean image is `x0`, to `t_next` < t; all `(B, C, X, Y, Z)` float32."""
        a, a_next = self.schedule.alpha(t), self.schedule.alpha(t_next)
        noise = self.schedule.to_noise(x0, x_t, t)
        fresh = self.eta * torch.sqrt((1 - a_next) / (1 - a) * (1 - a / a_next))  # sigma of eq. 16
        # clamp: on a long step all of the noise is fresh, and rounding takes the rest below zero
        kept = torch.sqrt((1 - a_next - fresh**2).clamp(min=0))
        x_next = noise.mul_(kept).add_(x0, alpha=float(a_next.sqrt()))
        if fresh > 0:
            x_next.add_(noise_like(x_t, self.generator), alpha=float(fresh))
        return x_next
