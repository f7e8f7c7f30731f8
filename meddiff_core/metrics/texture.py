"""Texture of tissue: how much of a lung is vessel, and the radial power spectrum within a mask."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

VESSEL_HU = -500.0
"""Lung above this is vessel, wall of a bronchus, or partial volume of one."""
_SURFACE_MM = 5.0  # chest wall and diaphragm reach that far into a lung's mask by partial volume
BANDS = (0.05, 0.1, 0.2, 0.3, 0.4)
"""Edges of the bands of frequency in cycles per voxel."""


def inner_part(mask: np.ndarray, spacing: Sequence[float], depth_mm: float = _SURFACE_MM) -> np.ndarray:
    """The part of a mask that lies deeper than `depth_mm`, its holes closed before.

    Args:
        mask: bool `(X, Y, Z)`; vessels may be holes of a lung's mask.
        spacing: voxel size in mm.
        depth_mm: distance to the surface.
    """
    closed = ndimage.binary_fill_holes(mask)
    closed = np.stack([ndimage.binary_fill_holes(slice_) for slice_ in np.moveaxis(closed, -1, 0)], axis=-1)
    padded = np.pad(closed, 1)  # the volume's border is a surface, too
    return ndimage.distance_transform_edt(padded, sampling=spacing)[1:-1, 1:-1, 1:-1] > depth_mm


def vessel_share(hu: np.ndarray, lung: np.ndarray, spacing: Sequence[float]) -> float:
    """Share of the inner lung that is vessel: its voxels above -500 HU.

    Args:
        hu: CT `(X, Y, Z)` in HU.
        lung: bool, the same shape.
        spacing: voxel size in mm.

    Returns:
        In [0, 1]; nan where no lung lies deeper than 5 mm.
    """
    inner = inner_part(lung, spacing)
    return float((hu[inner] > VESSEL_HU).mean()) if inner.any() else float("nan")


def radial_power(hu: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Power per band of in-plane frequency within a mask, mean over its slices.

    The mask's own shape is part of the spectrum: compare volumes within the same mask.

    Args:
        hu: CT `(X, Y, Z)` in HU.
        mask: bool, the same shape.

    Returns:
        HU^2 per frequency in the bands of `BANDS`; nan for an empty mask.
    """
    slices = np.flatnonzero(mask.any((0, 1)))
    if not len(slices):
        return np.full(len(BANDS) - 1, np.nan)
    field = np.where(mask, hu - hu[mask].mean(), 0.0)[..., slices]
    power = (np.abs(np.fft.fft2(field, axes=(0, 1))) ** 2).sum(-1) / mask.sum()
    x, y = (np.fft.fftfreq(n) for n in mask.shape[:2])
    band = np.digitize(np.hypot(x[:, None], y), BANDS)
    return np.array([power[band == number].mean() for number in range(1, len(BANDS))])
