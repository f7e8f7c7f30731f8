"""A few slices as a volume that the network can look at: mirrored, and cut back afterwards."""

from __future__ import annotations

import torch

LEAST_SLICES = 16
"""Voxels along an axis below which the volume is continued by its mirror image; 32 changed nothing."""


def mirrored(volume: torch.Tensor, least: int = LEAST_SLICES) -> torch.Tensor:
    """`(B, C, X, Y, Z)` with at least `least` voxels along each spatial axis, and its metadata.

    What is added lies behind the last voxel and mirrors what is before it, to and fro. The voxel at the
    border is not repeated: neighbours would be equal there, and noise is estimated from how they differ.

    Args:
        volume: at least two voxels along each spatial axis.
        least: see above.
    """
    for axis in range(2, volume.ndim):
        size = volume.shape[axis]
        if size < least:
            period = 2 * (size - 1)
            there = torch.arange(least, device=volume.device) % period
            volume = volume.index_select(axis, torch.minimum(there, period - there))
    return volume
