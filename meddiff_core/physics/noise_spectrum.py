"""The power spectrum of a scanner's noise: one description for simulation, training and data terms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from meddiff_core.errors import InputError
from meddiff_core.physics.kernel import SLICE_SIGMA_MM, apodisation

RADIAL_LIMIT = math.sqrt(0.5)
"""Highest in-plane frequency of a square grid, at its corner, in cycles per voxel."""
_KNOTS = 129
_RADIAL_BANDS = (0.0, 0.08, 0.16, 0.27, 0.4, RADIAL_LIMIT)
_AXIAL_BANDS = (0.0, 0.12, 0.27, 0.5)
_SAME_SPACING = 0.05
"""Relative difference of voxel sizes that leaves a spectrum in cycles per voxel what it is."""
_FLOOR = 0.02
"""Power relative to white noise below which the code no longer tells: 17 dB less."""

CODE_LENGTH = len(_RADIAL_BANDS) + len(_AXIAL_BANDS) - 1
"""Numbers in `NoiseSpectrum.code`."""


@dataclass(frozen=True)
class NoiseSpectrum:
    """Power spectrum of stationary noise of unit variance: a radial part in plane times a part along z.

    Filtered backprojection makes noise that is nearly isotropic in plane (Riederer, Pelc and Chesler, "The
    noise power spectrum in computed X-ray tomography", 1978); the slice profile correlates it along z.

    Args:
        radial: relative power at evenly spaced frequencies from 0 to `RADIAL_LIMIT` cycles per voxel.
        axial: relative power at evenly spaced frequencies from 0 to 0.5 cycles per voxel along z.
        spacing: voxel size `(x, y, z)` in mm of the scan that it was measured on; None serves any.
    """

    radial: Sequence[float] = (1.0, 1.0)
    axial: Sequence[float] = (1.0, 1.0)
    spacing: Sequence[float] | None = None

    @property
    def is_white(self) -> bool:
        """Whether all frequencies have the same power."""
        return len({*self.radial}) == len({*self.axial}) == 1

    def check_spacing(self, spacing: Sequence[float]) -> None:
        """Raise `InputError` for a scan whose voxels, in mm, are not those that it was measured on."""
        if self.spacing is not None and not np.allclose(self.spacing, spacing, rtol=_SAME_SPACING):
            measured, wanted = (" x ".join(f"{mm:.2f}" for mm in size) for size in (self.spacing, spacing))
            raise InputError(
                f"noise_spectrum was measured on voxels of {measured} mm, the scan's are {wanted} mm: give a "
                "scan of the same protocol, or auto."
            )

    @classmethod
    def of_scanner(cls, spacing: Sequence[float], kernel: str = "standard") -> NoiseSpectrum:
        """The spectrum that simulated low dose has: the ramp, a kernel, slices of 1.5 mm.

        Args:
            spacing: voxel size `(x, y, z)` in mm.
            kernel: `smooth`, `standard` (a soft body kernel) or `sharp`.
        """
        frequency = _frequencies(RADIAL_LIMIT) / max(spacing[:2])
        radial = frequency * apodisation(frequency, max(spacing[:2]), kernel) ** 2
        return cls(radial, _gaussian_profile(SLICE_SIGMA_MM / spacing[2]))

    @classmethod
    def random(cls, rng: np.random.Generator) -> NoiseSpectrum:
        """A spectrum that some scanner might have, for training.

        In plane: ramp times a Gaussian apodisation whose power peaks at 0.05 to 0.45 cycles per voxel (a
        floor of up to 0.1 cycles lifts the lowest frequencies, as cone beams and iterative reconstruction
        do), in half of the draws with a cut-off at 0.15 to 0.6, in a third with a share of white noise.
        Along z: nothing in a third of the draws, else a Gaussian slice profile of up to 1.3 voxels standard
        deviation, or the mean over 1 to 4 voxels of slices that overlap.
        """
        f = _frequencies(RADIAL_LIMIT)
        peak = math.exp(rng.uniform(math.log(0.05), math.log(0.45)))
        radial = (f + rng.uniform(0, 0.1) * (rng.random() < 0.5)) * np.exp(-0.5 * (f / peak) ** 2)
        if rng.random() < 0.5:
            radial = radial / (1 + (f / rng.uniform(0.15, 0.6)) ** (2 * rng.integers(2, 12)))
        if rng.random() < 1 / 3:
            radial = radial / radial.mean() + rng.uniform(0, 1.0)
        profile = rng.random()
        if profile < 1 / 3:
            axial = np.ones(2)
        elif profile < 0.8:
            axial = _gaussian_profile(rng.uniform(0.2, 1.3))
        else:
            axial = np.sinc(_frequencies(0.5) * rng.uniform(1, 4)) ** 2
        return cls(radial, axial)

    def power(self, shape: Sequence[int]) -> torch.Tensor:
        """Power of each frequency of `torch.fft.fftn`, mean 1.

        Args:
            shape: `(X, Y, Z)`, slices along the last axis; `(X, Y)` for one slice.

        Returns:
            float32 in that shape.
        """
        x, y = (np.fft.fftfreq(n) for n in shape[:2])
        in_plane = _at(np.hypot(x[:, None], y), self.radial, RADIAL_LIMIT)
        power = in_plane / in_plane.mean()
        if len(shape) == 3:
            along = _at(np.abs(np.fft.fftfreq(shape[2])), self.axial, 0.5)
            power = power[..., None] * (along / along.mean())
        return torch.from_numpy(power.astype(np.float32))

    def draw(self, shape: Sequence[int], generator: torch.Generator | None = None) -> torch.Tensor:
        """Noise of unit variance with this spectrum, float32 `(X, Y, Z)`, periodic."""
        white = torch.randn(tuple(shape), generator=generator)
        amplitude = self.power(shape)[..., : shape[-1] // 2 + 1].sqrt()  # the half that rfftn keeps
        return torch.fft.irfftn(torch.fft.rfftn(white) * amplitude, s=tuple(shape))

    def code(self, local: bool = False) -> torch.Tensor:
        """The few numbers that a network is told: log power in bands, zero in each for white noise.

        Args:
            local: whether the noise lies within parts of the image only, and the rest is clean.

        Returns:
            float32 `(CODE_LENGTH,)`: five bands in plane, three along z, and 1 for local noise.
        """
        f = np.fft.fftfreq(64)
        bands = [
            *_band_means(np.hypot(f[:, None], f), self.radial, _RADIAL_BANDS),
            *_band_means(np.abs(f), self.axial, _AXIAL_BANDS),
        ]
        log_power = np.log((np.array(bands) + _FLOOR) / (1 + _FLOOR))
        return torch.tensor([*log_power, float(local)], dtype=torch.float32)


def _frequencies(limit: float) -> np.ndarray:
    return np.linspace(0, limit, _KNOTS)


def _at(frequency: np.ndarray, table: Sequence[float], limit: float) -> np.ndarray:
    return np.interp(frequency, np.linspace(0, limit, len(table)), table)


def _gaussian_profile(sigma: float) -> np.ndarray:
    """Spectrum of noise that a Gaussian slice profile of `sigma` voxels has correlated."""
    return np.exp(-((2 * math.pi * sigma * _frequencies(0.5)) ** 2))


def _band_means(frequency: np.ndarray, table: Sequence[float], edges: Sequence[float]) -> list[float]:
    power = _at(frequency, table, edges[-1])
    power = power / power.mean()
    band = np.digitize(frequency, edges[1:-1])
    return [float(power[band == number].mean()) for number in range(len(edges) - 1)]
