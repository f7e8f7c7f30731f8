"""Body mask by threshold: the patient with the lungs and all gas inside, without table, blankets and air."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

# Between air (-1000) and fat (-100), low enough that partial volume keeps the skin.
TISSUE_HU = -400.0
# Most of a lung stays above this even in emphysema; most of the air and padding around a patient is below.
OUTSIDE_AIR_HU = -940.0
# A gap in a corner of a slice is rarely lung, and a foam mattress is nearly as dense as one.
_CORNER_AIR_HU = -860.0
# The parts are sought on a grid of about this voxel size: fast, and noise averages out.
_GRID_MM = 3.0
# A table top or a mattress cover is thinner than twice this; limbs and the chest wall are not.
_OPENING_MM = 5.0


def body_mask(hu: np.ndarray, spacing: Sequence[float] = (1.0, 1.0, 1.0)) -> np.ndarray:
    """Mask of the patient. Works on crops in which the body, or a lung, reaches the border.

    Args:
        hu: CT `(X, Y, Z)` in HU, axial slices along the last axis; padding may be any value below -940.
        spacing: voxel size in mm.

    Returns:
        bool `(X, Y, Z)`; all False where nothing is denser than air.
    """
    hu = np.asarray(hu)
    tissue = hu > TISSUE_HU
    if not tissue.any():
        return tissue
    factors = tuple(int(max(1, _GRID_MM // step)) for step in spacing)
    grid_mm = [step * factor for step, factor in zip(spacing, factors, strict=True)]
    tissue &= upsample(_patient(block_mean(tissue, factors) > 0.5, grid_mm), factors, tissue.shape)
    for k in range(tissue.shape[2]):
        tissue[:, :, k] = _fill(tissue[:, :, k], hu[:, :, k])
    return tissue


def block_mean(volume: np.ndarray, factors: Sequence[int]) -> np.ndarray:
    """Mean over blocks of `factors` voxels, float32; the last block of an axis may be smaller."""
    result = np.asarray(volume)
    for axis, factor in enumerate(factors):
        size = result.shape[axis]
        starts = np.arange(0, size, factor)
        counts = np.minimum(factor, size - starts).reshape([-1 if a == axis else 1 for a in range(3)])
        result = np.add.reduceat(result, starts, axis=axis, dtype=np.float32) / counts.astype(np.float32)
    return result


def upsample(mask: np.ndarray, factors: Sequence[int], shape: Sequence[int]) -> np.ndarray:
    """Blocks of `block_mean` back to voxels of a volume of `shape`, by repetition."""
    for axis, factor in enumerate(factors):
        mask = mask.repeat(factor, axis=axis)
    return mask[tuple(slice(size) for size in shape)]


def _patient(tissue: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """Large parts of `tissue` after an erosion that removes the table, grown back with a margin."""
    # Filled first: the wall over a lung can be thinner than the erosion, wall and lung together are not.
    tissue = np.stack([ndimage.binary_fill_holes(tissue[:, :, k]) for k in range(tissue.shape[2])], axis=2)
    ball = ellipsoid(_OPENING_MM, spacing)
    pad = [(size // 2, size // 2) for size in ball.shape]
    # Edge padding: where the body is cut by the border it is not thin there.
    core = ndimage.binary_erosion(np.pad(tissue, pad, mode="edge"), ball)
    core = core[tuple(slice(before, core.shape[a] - after) for a, (before, after) in enumerate(pad))]
    parts, count = ndimage.label(core)
    if count == 0:
        return tissue
    volumes = np.bincount(parts.ravel())
    volumes[0] = 0
    # Both legs, or arms beside the trunk, are parts of their own; a remainder of a table is small.
    core = (volumes > 0.1 * volumes.max())[parts]
    return ndimage.binary_dilation(core, ellipsoid(_OPENING_MM + 1.5 * _GRID_MM, spacing))


def ellipsoid(radius: float, spacing: Sequence[float]) -> np.ndarray:
    """Structuring element: a ball of `radius` mm on a grid of `spacing` mm."""
    half = [int(radius // step) for step in spacing]
    axes = np.ogrid[tuple(slice(-h, h + 1) for h in half)]
    return sum((axis * step) ** 2 for axis, step in zip(axes, spacing, strict=True)) <= radius**2


def _fill(tissue: np.ndarray, hu: np.ndarray) -> np.ndarray:
    """Add what one axial slice encloses; a gap at the border only if its median is that of lung."""
    gaps, count = ndimage.label(~tissue)
    border = np.unique(np.concatenate([gaps[0], gaps[-1], gaps[:, 0], gaps[:, -1]]))
    corners = np.unique(gaps[[0, 0, -1, -1], [0, -1, 0, -1]])
    outside = np.zeros(count + 1, dtype=bool)
    for labels, limit in ((border, OUTSIDE_AIR_HU), (corners, _CORNER_AIR_HU)):
        sizes, thin = (np.bincount(g, minlength=count + 1) for g in (gaps.ravel(), gaps[hu < limit]))
        outside[labels] |= thin[labels] > sizes[labels] / 2
    outside[0] = False
    return ~outside[gaps]
