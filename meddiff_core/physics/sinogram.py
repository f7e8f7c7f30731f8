"""Photon noise of CT: drawn in the projections, carried to the image by filtered backprojection."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F

from meddiff_core.physics.kernel import apodisation

MU_WATER = 0.02
"""Attenuation of water per mm at about 70 keV, the mean energy of a 120 kV beam (NIST XCOM: 0.0193)."""
PHOTONS = 2e5
"""Photons per detector element and view of the full-dose scan."""
_ELECTRONIC = 10.0  # standard deviation of the read-out noise, in photons
_VIEWS = 360


def sinogram_noise(
    hu: np.ndarray,
    spacing: tuple[float, float, float],
    dose_fraction: float,
    seed: int,
    photons: float = PHOTONS,
) -> np.ndarray:
    """Add the noise of a scan at a fraction of the dose.

    Parallel-beam line integrals of the clean slices give the photons that reach the detector; Poisson and
    electronic noise are drawn there. Filtered backprojection is linear, so only the noise is reconstructed
    and added: the anatomy stays exactly as it was (Zeng et al., "A simple low-dose X-ray CT simulation from
    high-dose scan", IEEE TNS 2015). The clean scan holds the noise of the full dose N already, and the one
    with d N has 1/d times its variance; noise drawn at N d / (1 - d) photons supplies the difference.
    Slices are independent.

    Args:
        hu: scan `(X, Y, Z)` in HU, slices along the last axis.
        spacing: voxel size in mm.
        dose_fraction: fraction of the dose that is left, in (0, 1).
        seed: same seed, same noise.
        photons: photons per detector element and view at full dose.
    """
    attenuation = torch.from_numpy(np.maximum(MU_WATER * (1 + np.asarray(hu, np.float32) / 1000), 0))
    fan = _Geometry(hu.shape[:2], spacing[:2])
    rng = np.random.default_rng(seed)
    blank = photons * dose_fraction / (1 - dose_fraction)
    noise = torch.zeros(hu.shape[0] * hu.shape[1], hu.shape[2])
    for angle in np.arange(_VIEWS) * math.pi / _VIEWS:
        lines = fan.project(attenuation, angle).numpy()
        error = _transmission_error(lines, blank, rng)
        noise += fan.backproject(fan.filter(error), angle)
    return hu + (1000 / MU_WATER * math.pi / _VIEWS) * noise.view(hu.shape).numpy()


def _transmission_error(lines: np.ndarray, blank: float, rng: np.random.Generator) -> np.ndarray:
    """Error of the measured line integrals `-log(counts / blank)`, from Poisson and electronic noise."""
    counts = rng.poisson(blank * np.exp(-lines.astype(np.float64)))
    counts = counts + _ELECTRONIC * rng.standard_normal(lines.shape)
    return (-np.log(np.maximum(counts, 1) / blank) - lines).astype(np.float32)


class _Geometry:
    """Parallel beam over one in-plane grid, all slices at once.

    Args:
        shape: voxels `(X, Y)`.
        spacing: voxel size `(x, y)` in mm; a detector element is as wide as the smaller.
    """

    def __init__(self, shape: tuple[int, int], spacing: tuple[float, float]) -> None:
        self.extent = [n * d for n, d in zip(shape, spacing, strict=True)]
        self.pitch = float(min(spacing))
        self.size = math.ceil(math.hypot(*self.extent) / self.pitch) + 2
        self.detector = (torch.arange(self.size) - (self.size - 1) / 2) * self.pitch
        self.x, self.y = (
            (torch.arange(n) - (n - 1) / 2) * float(d) for n, d in zip(shape, spacing, strict=True)
        )
        frequency = np.fft.rfftfreq(2 * self.size, self.pitch)
        response = frequency * apodisation(frequency, max(spacing))
        self.response = torch.from_numpy(response.astype(np.float32))[:, None]

    def project(self, image: torch.Tensor, angle: float) -> torch.Tensor:
        """Line integrals `(detector, Z)` of an image `(X, Y, Z)` along the rays of one view."""
        # Two voxels between the samples of a ray: photon statistics do not need more, and it halves the time.
        along, step = self.detector[::2], 2 * self.pitch
        x = self.detector[:, None] * math.cos(angle) - along * math.sin(angle)
        y = self.detector[:, None] * math.sin(angle) + along * math.cos(angle)
        grid = torch.stack([2 * y / self.extent[1], 2 * x / self.extent[0]], dim=-1)[None]
        samples = F.grid_sample(image.permute(2, 0, 1)[None], grid, align_corners=False)
        return samples[0].sum(-1).T * step

    def filter(self, lines: np.ndarray) -> torch.Tensor:
        """Ramp and kernel along the detector, zero-padded to twice its length. `(detector, Z)`."""
        spectrum = torch.fft.rfft(torch.from_numpy(lines), n=2 * self.size, dim=0)
        return torch.fft.irfft(spectrum * self.response, n=2 * self.size, dim=0)[: self.size]

    def backproject(self, lines: torch.Tensor, angle: float) -> torch.Tensor:
        """Smear one view `(detector, Z)` back over the grid, linearly interpolated. `(X * Y, Z)`."""
        position = self.x[:, None] * math.cos(angle) + self.y * math.sin(angle)
        position = (position / self.pitch + (self.size - 1) / 2).reshape(-1)
        lower = position.floor()
        below = lines.index_select(0, lower.long())
        above = lines.index_select(0, lower.long() + 1)
        return torch.lerp(below, above, (position - lower)[:, None])
