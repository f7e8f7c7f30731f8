"""Where a voxel lies in the region volume, as network input (MedDiff-FM, eq. 5-6)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch


def coordinate_axis(size: int, device: torch.device | str | None = None) -> torch.Tensor:
    """Coordinates of the voxel centres along one axis: -1 at the first, +1 at the last, `(size,)` float32."""
    return torch.linspace(-1.0, 1.0, size, device=device) if size > 1 else torch.zeros(1, device=device)


def coordinates(
    spatial_shape: Sequence[int],
    window: Sequence[slice] | None = None,
    device: torch.device | str | None = None,
) -> torch.Tensor:
    """Coordinates of a volume, or of one window of it, `(3, X, Y, Z)` in [-1, 1] (eq. 5).

    Args:
        spatial_shape: shape `(X, Y, Z)` of the region volume that -1 and +1 refer to.
        window: slices of the window in that volume; default: all of it.
        device: where the result lies.
    """
    window = window or [slice(None)] * len(spatial_shape)
    axes = [coordinate_axis(n, device)[s] for n, s in zip(spatial_shape, window, strict=True)]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"))


def position_embedding(coords: torch.Tensor, num_frequencies: int = 4) -> torch.Tensor:
    """Raw coordinates with their sines and cosines (eq. 6).

    The raw values matter: with the sines and cosines alone -1 and +1 get the same code.

    Args:
        coords: `(B, 3, X, Y, Z)` in [-1, 1].
        num_frequencies: L of eq. 6, frequencies `2^k pi` for k < L; 4 as in the paper.

    Returns:
        `(B, 3 + 6 L, X, Y, Z)`.
    """
    waves = [f(2.0**k * math.pi * coords) for k in range(num_frequencies) for f in (torch.sin, torch.cos)]
    return torch.cat([coords, *waves], dim=1)
