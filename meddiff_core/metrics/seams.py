"""Whether the borders of the windows show in a volume that was sampled window by window."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from meddiff_core.conditions.boxes import Box

# Planes at this distance see the same anatomy as the border; nearer ones may be part of a soft seam.
_NEARBY = (-4, -3, -2, 2, 3, 4)


def window_borders(windows: Sequence[Box], shape: Sequence[int]) -> list[list[int]]:
    """Planes in the volume where a window begins or ends, per axis; p lies between voxels p-1 and p."""
    return [
        sorted({p for window in windows for p in (window[axis].start, window[axis].stop) if 0 < p < size})
        for axis, size in enumerate(shape)
    ]


def seam_index(volume: np.ndarray, windows: Sequence[Box], mask: np.ndarray | None = None) -> float:
    """How much larger the jump between neighbouring voxels is across the windows' borders than nearby.

    The mean absolute difference across all border planes of an axis, divided by the one across the planes 2
    to 4 voxels away, averaged over the axes that have borders. 1 is no seam. The same number of the real
    volume shows how far it strays from 1 by the anatomy alone.

    Args:
        volume: `(X, Y, Z)` in HU.
        windows: the grid, see `WindowGrid`; a border is a plane through the whole volume.
        mask: voxels that count, bool `(X, Y, Z)`, usually the body; both neighbours must lie in it.

    Returns:
        nan with one window, or where the mask leaves nothing to compare.
    """
    volume = np.asarray(volume, dtype=np.float32)
    ratios = []
    for axis, borders in enumerate(window_borders(windows, volume.shape)):
        inner = {p + d for p in borders for d in _NEARBY if 0 < p + d < volume.shape[axis]}
        # The other end of an overlap may lie close by.
        inner -= {p + d for p in borders for d in (-1, 0, 1)}
        at_border, nearby = (_jump(volume, mask, axis, planes) for planes in (borders, sorted(inner)))
        if nearby > 0:
            ratios.append(at_border / nearby)
    return float(np.mean(ratios)) if ratios else float("nan")


def _jump(volume: np.ndarray, mask: np.ndarray | None, axis: int, planes: Sequence[int]) -> float:
    """Mean absolute difference across `planes`; nan where there is none."""
    planes = np.asarray(planes, dtype=int)
    jumps = np.abs(volume.take(planes, axis) - volume.take(planes - 1, axis))
    if mask is not None:
        jumps = jumps[mask.take(planes, axis) & mask.take(planes - 1, axis)]
    return float(jumps.mean(dtype=np.float64)) if jumps.size else float("nan")
