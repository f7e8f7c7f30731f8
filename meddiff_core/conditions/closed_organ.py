"""An organ's mask closed, as a tumour that has another label leaves a hole or a bite in it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from meddiff_core.conditions.body import block_mean, upsample
from meddiff_core.conditions.boxes import widened
from meddiff_core.conditions.coarse import FAT_HU

BITE_MM = 12.0
"""Radius of the ball that does not fit into a bite. At 12, six of the seven tumours of a liver, each with a
label of its own, are at least 92 % in the organ; the seventh has 85 ml at the surface."""

_GRID_MM = 2.0


def left_out(
    organ: np.ndarray, hu: np.ndarray, spacing: Sequence[float], bite: float = BITE_MM
) -> np.ndarray:
    """Tissue denser than fat in the holes and the bites of an organ.

    Holes are what an axial slice of the organ encloses, also one whose bites are closed.

    Args:
        organ: bool `(X, Y, Z)`, axial slices along the last axis.
        hu: the scan, same shape.
        spacing: voxel size in mm.
        bite: mm; a bite is closed where a ball of this radius does not fit into it. 0 for holes alone.

    Returns:
        bool `(X, Y, Z)`, outside the organ.
    """
    result = np.zeros_like(organ)
    for box in ndimage.find_objects(organ.astype(np.uint8)):  # one, or none where the organ is empty
        box = widened(box, 1 + int(bite // min(spacing)))
        closed = _filled(organ[box])
        if bite:
            closed |= _closed(closed, spacing, bite)
        result[box] = closed & ~organ[box] & (hu[box] > FAT_HU[1])
    return result


def _closed(organ: np.ndarray, spacing: Sequence[float], bite: float) -> np.ndarray:
    """Closing by a ball, then by slice, on a grid of about 2 mm."""
    factors = tuple(int(max(1, _GRID_MM // step)) for step in spacing)
    grid = [step * factor for step, factor in zip(spacing, factors, strict=True)]
    coarse = block_mean(organ, factors) > 0.5
    grown = ndimage.distance_transform_edt(~coarse, grid) <= bite
    closed = coarse | (ndimage.distance_transform_edt(grown, grid) > bite)
    return upsample(_filled(closed), factors, organ.shape)


def _filled(mask: np.ndarray) -> np.ndarray:
    """With what each axial slice encloses."""
    return np.stack([ndimage.binary_fill_holes(mask[:, :, k]) for k in range(mask.shape[2])], axis=2)
