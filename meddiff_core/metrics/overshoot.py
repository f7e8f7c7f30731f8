"""Rings of thin slices: how often a voxel leaves the range of its thick neighbours."""

from __future__ import annotations

import torch

from meddiff_core.physics.slab_bounds import neighbour_range
from meddiff_core.physics.slabs import SlabMeans

TOLERANCE_HU = 30.0
"""By how much a voxel may leave the range before it counts: detail and noise of thin slices do, too."""


def overshoot(thin: torch.Tensor, thick: torch.Tensor, slabs: SlabMeans) -> torch.Tensor:
    """Voxels outside the range of their 3 x 3 x 3 thick neighbours by more than 30 HU, bool like `thin`.

    Args:
        thin: `(C, X, Y, n_thin)` in HU.
        thick: the slices it was made from, `(C, X, Y, n_thick)` in HU.
        slabs: how they lie on the thin grid.
    """
    lowest, highest = (slabs.repeat(ends) for ends in neighbour_range(thick))
    return (thin > highest + TOLERANCE_HU) | (thin < lowest - TOLERANCE_HU)
