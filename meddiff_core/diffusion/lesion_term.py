"""The HU of a lesion while it is sampled, and afterwards to the digit."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy import ndimage

from meddiff_core.physics.noise_spectrum import NoiseSpectrum
from meddiff_core.physics.scan_noise import ScanNoise

_REACH = 2.5
"""Deviations from its mean that a lesion's voxels keep to: 99 % of a normal distribution."""
_NOISE_SHARE = 0.8
"""Most of a lesion's deviation that may be noise; the rest is structure that the network made."""
_AMPLIFIED = 3.0
"""What is smoother than this factor can mend gets the rest of its deviation as noise."""
_CORE_VOXELS = 30


class LesionTerm:
    """Keeps the clean image within a mask near the HU that the lesion there is to have.

    Without it the network leaves healthy tissue within the mask, such as lung, and a segmenter that is
    trained on the mask learns that.

    Args:
        mask: bool `(1, 1, X, Y, Z)`.
        mean: of the lesion, in the scale of the image.
        deviation: standard deviation, in that scale.
    """

    def __init__(self, mask: torch.Tensor, mean: float, deviation: float) -> None:
        self.mask = mask
        self.mean = mean
        self.reach = _REACH * deviation

    def __call__(self, x0: torch.Tensor, t: int) -> torch.Tensor:
        """The clean image with the lesion moved to its mean, and no voxel of it far off; any `t`."""
        mask = self.mask.to(x0.device)
        inside = x0[mask]
        moved = (inside - inside.mean() + self.mean).clamp(self.mean - self.reach, self.mean + self.reach)
        return x0.masked_scatter(mask, moved)


def match_lesion(
    hu: torch.Tensor,
    mask: np.ndarray,
    statistics: tuple[float, float],
    noise: ScanNoise | None,
    spacing: tuple[float, ...],
    generator: torch.Generator,
) -> torch.Tensor:
    """HU with the mean and deviation of a lesion within a mask, part of it noise like that of the scan.

    What the network makes is smoother than a real lesion. So noise of the scan's own spectrum is laid back,
    and the structure is scaled to the rest of the deviation.

    Args:
        hu: `(1, 1, X, Y, Z)`.
        mask: bool `(X, Y, Z)`; the statistics are those of its core, one voxel within, if it has one.
        statistics: mean and standard deviation in HU.
        noise: of the scan; None where it is not known: noise with the spectrum of a scanner fills what the
            deviation lacks.
        spacing: voxel size in mm.
        generator: source of the noise.
    """
    mean, deviation = statistics
    core = ndimage.binary_erosion(mask)
    where = torch.from_numpy(core if core.sum() >= _CORE_VOXELS else mask).to(hu.device)
    inside = hu[0, 0][where]
    noise = noise or ScanNoise(0.0, NoiseSpectrum.of_scanner(spacing))
    drawn = noise.spectrum.draw(mask.shape, generator).to(hu)
    least = min(noise.level, _NOISE_SHARE * deviation)
    own = float(inside.std(correction=0)) if inside.numel() > 1 else 0.0
    scale = min(_AMPLIFIED, math.sqrt(deviation**2 - least**2) / max(own, 1e-6))
    least = math.sqrt(max(deviation**2 - (scale * own) ** 2, 0.0))
    lesion = (hu - inside.mean()) * scale + least * drawn
    values = lesion[0, 0][where]
    if values.numel() > 1:  # what chance adds to a few voxels
        lesion = (lesion - values.mean()) * (deviation / max(float(values.std(correction=0)), 1e-6))
    lesion = mean + lesion.clamp(-_REACH * deviation, _REACH * deviation)
    return torch.where(torch.from_numpy(mask).to(hu.device), lesion, hu)
