"""Whether a volume is fine enough to show a scanner's texture and noise, from its voxel size."""

from __future__ import annotations

from collections.abc import Sequence

COARSE_MM = 2.0
"""Largest in-plane voxel size in mm of a scan on its own grid, or near it; beyond, it has been averaged."""

ANATOMY_TIMESTEP = 600
"""From this timestep on little but anatomy is seen, so volumes without a scanner's texture serve, too."""


def is_coarse(spacing: Sequence[float] | None, limit: float = COARSE_MM) -> bool:
    """Whether a volume's voxels are too large to learn texture and noise from; its anatomy still counts.

    Thick slices do not count: they are a scanner's own. Of the three axes the second finest decides, which is
    the coarser one in plane whichever way the slices lie.

    Args:
        spacing: voxel size in mm along each axis; `None` for an item of a data list that does not tell, which
            counts as fine.
        limit: largest in-plane voxel size of a fine volume in mm.
    """
    return spacing is not None and sorted(spacing)[1] > limit
