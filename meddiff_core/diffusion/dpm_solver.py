"""DPM-Solver++(2M), arXiv 2211.01095, on the grid of timesteps that it is given."""

from __future__ import annotations

import torch

from meddiff_core.diffusion.schedule import NoiseSchedule


class DPMSolver2M:
    """Second-order multistep solver in the clean image (DPM-Solver++, algorithm 2).

    It remembers the previous clean image, so one object serves one run. The first step and the step to the
    clean image are of first order, where the method is the same as DDIM.

    Args:
        schedule: noise schedule.
    """

    def __init__(self, schedule: NoiseSchedule) -> None:
        self.schedule = schedule
        self.previous: tuple[torch.Tensor, torch.Tensor] | None = None

    def step(self, x0: torch.Tensor, x_t: torch.Tensor, t: int, t_next: int) -> torch.Tensor:
        """From `x_t` at `t`, whose clean image is `x0`, to `t_next` < t; all `(B, C, X, Y, Z)` float32."""
        a, a_next = self.schedule.alpha(t), self.schedule.alpha(t_next)
        if a_next == 1:  # infinite log-SNR: the step ends at the clean image
            return x0
        log_snr, log_snr_next = self._lambda(a), self._lambda(a_next)
        h = log_snr_next - log_snr
        estimate = x0
        if self.previous is not None:
            x0_before, log_snr_before = self.previous
            r = (log_snr - log_snr_before) / h
            estimate = torch.lerp(x0_before, x0, float(1 + 1 / (2 * r)))  # D_i of algorithm 2
        self.previous = (x0, log_snr)
        shrink = torch.sqrt((1 - a_next) / (1 - a))
        return shrink * x_t - a_next.sqrt() * torch.expm1(-h) * estimate

    @staticmethod
    def _lambda(a: torch.Tensor) -> torch.Tensor:
        return 0.5 * torch.log(a / (1 - a))
