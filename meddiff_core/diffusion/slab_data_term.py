"""The data step of super-resolution: slab means of the clean image go towards the thick slices (eq. 12)."""

from __future__ import annotations

import torch

from meddiff_core.diffusion.schedule import NoiseSchedule
from meddiff_core.diffusion.slabs import SlabMeans

SLICE_NOISE = 0.01
"""Nominal standard deviation of a thick slice in [-1, 1]: 9 HU in the window of the chest, 2 in others."""


class SlabDataTerm:
    """Pulls the clean image towards the measurement `y = H x0 + n`, H the means of slabs (eq. 12).

    `argmin |y - H x|^2 + rho_t |x - x0|^2` with `rho_t = lambda sigma_n^2 / sigma_t^2`, as DiffPIR weights
    it. For whole slabs of s voxels that is `x0 + U(y - H x0) / (1 + s rho_t)`: nearly the whole difference
    while there is much noise, ever less of it towards the end, where the network knows better. sigma_n is
    `SLICE_NOISE`, because the result is made to agree with the slices afterwards whatever their noise.

    Args:
        schedule: noise schedule.
        slabs: H.
        measurement: y, `(B, 1, X, Y, n_thick)` in [-1, 1].
        fidelity: lambda; 10 as in denoising, 0 takes the whole difference in each step.
    """

    def __init__(
        self, schedule: NoiseSchedule, slabs: SlabMeans, measurement: torch.Tensor, fidelity: float = 10.0
    ) -> None:
        self.schedule = schedule
        self.slabs = slabs
        self.measurement = measurement
        self.fidelity = fidelity

    def __call__(self, x0: torch.Tensor, t: int) -> torch.Tensor:
        """The clean image after the data step at timestep `t`."""
        rho = self.fidelity * (SLICE_NOISE / float(self.schedule.sigma(t))) ** 2
        return self.slabs.correct(x0, self.measurement, rho)
