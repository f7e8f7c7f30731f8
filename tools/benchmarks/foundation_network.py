"""The foundation on one block of a scan, called once: no windows, no solver."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from benchmarks.bundle import bundle_parts
from benchmarks.scans import Scan, central_block
from torch import nn

from meddiff_core.conditions.position import coordinates
from meddiff_core.conditions.regions import region_id
from meddiff_core.diffusion.schedule import NoiseSchedule
from meddiff_core.inferers.precision import network_autocast
from meddiff_core.physics.noise_spectrum import NoiseSpectrum

BLOCK = (96, 96, 48)
_MULTIPLE = 8
"""The network halves its input three times."""


@dataclass(frozen=True, eq=False)
class FoundationBlock:
    """A block of a scan, and the network for it.

    Args:
        scan: the block, with its anatomy.
        coords: of its voxels in the whole scan, `(3, X, Y, Z)`.
        network: the foundation.
        schedule: its noise schedule.
    """

    scan: Scan
    coords: torch.Tensor
    network: nn.Module
    schedule: NoiseSchedule

    @classmethod
    def of(cls, scan: Scan, weights: str) -> FoundationBlock:
        """The central block of a scan, cut to whole cells of the network."""
        size = [
            min(n, wanted) // _MULTIPLE * _MULTIPLE for n, wanted in zip(scan.hu.shape, BLOCK, strict=True)
        ]
        start, size = central_block(scan.hu, size)
        cut = tuple(slice(first, first + n) for first, n in zip(start, size, strict=True))
        network, schedule = bundle_parts("ct_foundation", ("network", "schedule"), foundation_weights=weights)
        return cls(scan.cut(start, size), coordinates(scan.hu.shape, cut), network, schedule)

    @property
    def unit(self) -> torch.Tensor:
        """The block in [-1, 1], clipped."""
        return self.scan.hu_window.to_unit(torch.as_tensor(self.scan.hu)).clamp(-1, 1)

    def denoise(self, noisy_hu: torch.Tensor, level: float, spectrum: NoiseSpectrum) -> np.ndarray:
        """The block behind noise of `level` HU and a spectrum, in HU."""
        hu_window = self.scan.hu_window
        timestep = self.schedule.nearest_timestep(level * 2 / hu_window.width)
        noisy = self.schedule.alpha(timestep).sqrt() * hu_window.to_unit(noisy_hu)
        return self._answer(noisy, timestep, torch.zeros_like(noisy), spectrum.code())

    def one_step(
        self, timestep: int, anatomy: np.ndarray | None, within: torch.Tensor | None = None
    ) -> np.ndarray:
        """The block in HU, one step back from white noise.

        Args:
            timestep: of the noise.
            anatomy: labels that the network is told; None for none.
            within: where the noise lies; the rest is clean. Default: everywhere.
        """
        noise = torch.randn(self.unit.shape, generator=torch.Generator().manual_seed(0))
        noisy = self.schedule.add_noise(self.unit, noise, torch.tensor(timestep))
        if within is not None:
            noisy = torch.where(within, noisy, self.unit)
        labels = torch.zeros(self.unit.shape)
        if anatomy is not None:
            labels += torch.as_tensor(anatomy.astype(np.float32))
        return self._answer(noisy, timestep, labels, NoiseSpectrum().code(local=within is not None))

    def rmse(self, hu: np.ndarray, where: np.ndarray | None = None) -> float:
        """Root mean square error in HU in the region's HU window."""
        lower, upper = self.scan.hu_window.lower, self.scan.hu_window.upper
        error = np.clip(hu, lower, upper) - np.clip(self.scan.hu, lower, upper)
        return float(np.sqrt(np.mean(error[where if where is not None else slice(None)] ** 2)))

    def _answer(
        self, noisy: torch.Tensor, timestep: int, labels: torch.Tensor, code: torch.Tensor
    ) -> np.ndarray:
        inputs = torch.cat([noisy[None], self.coords, labels[None]])[None]
        timesteps, label = torch.tensor([timestep]), torch.tensor([region_id(self.scan.region)])
        with torch.no_grad(), network_autocast(inputs.device, "auto"):
            answer = self.network(inputs, timesteps, label, noise_code=code[None]).float()
        x0 = self.schedule.to_x0(answer, inputs[:, :1], timesteps).clamp(-1, 1)
        return self.scan.hu_window.to_hu(x0)[0, 0].numpy()
