"""Two images of one scan joined at the edge of an HU window: inside one of them, outside the other."""

from __future__ import annotations

import torch

from meddiff_core.conditions.regions import FULL, region_window

EDGE = 0.95
"""Where the hand-over begins, as a share of the half-width of the HU window; it ends at the window's edge."""
_SURELY = 5.0
"""Noise levels beyond the HU window that noise alone does not reach in any voxel of a scan."""
_SLAB = 16


def join_at_window_edge(inside: torch.Tensor, outside: torch.Tensor) -> torch.Tensor:
    """One image of two: `inside` within an HU window, `outside` beyond it, and smooth between.

    Which of them counts is decided on their mean, so that noise left in one of them does not decide alone.

    Args:
        inside: an image that knows the HU window only, where the window is [-1, 1]; any shape.
        outside: an image of all HU in the same scale: it goes beyond [-1, 1].

    Returns:
        The joined image in that scale, not clipped.
    """
    result = torch.empty_like(outside)
    # slab by slab: the steps in between would take the memory of several volumes
    slabs = (volume.split(_SLAB, dim=-1) for volume in (inside, outside, result))
    for a, b, joined in zip(*slabs, strict=True):
        a = a.clamp(-1, 1)
        share = (((a + b).abs() / 2 - EDGE) / (1 - EDGE)).clamp(0, 1)
        joined.copy_(torch.lerp(a, b, _smooth(share)))
    return result


def keep_beyond_full(hu: torch.Tensor, original: torch.Tensor, noise_level: float = 0.0) -> torch.Tensor:
    """A result with the original where that lies beyond the HU of the class `full`: padding, and dense metal.

    The hand-over is from 2 to 4 noise levels beyond, so that noise alone carries no voxel over.

    Args:
        hu: the result in HU, any shape.
        original: the input in HU, same shape.
        noise_level: standard deviation of the noise of `original` in HU; taken as at least 1.
    """
    full, noise_level = region_window(FULL), max(noise_level, 1.0)
    result = torch.empty_like(hu)
    slabs = (volume.split(_SLAB, dim=-1) for volume in (hu, original, result))
    for a, b, joined in zip(*slabs, strict=True):
        excess = (b - b.clamp(full.lower, full.upper)).abs() / noise_level
        joined.copy_(torch.lerp(a, b, _smooth(((excess - 2) / 2).clamp(0, 1))))
    return result


def beyond_window(inside: torch.Tensor, image: torch.Tensor, noise: float) -> torch.Tensor:
    """Voxels that `join_at_window_edge` may take from an image of all HU, bool.

    Args:
        inside: the clean image within the HU window, which is [-1, 1].
        image: the scan in the same scale, not clipped: one voxel of it may be too small for `inside` to show.
        noise: standard deviation of the noise of `image` in that scale.
    """
    return (inside.abs() > EDGE) | (image.abs() > 1 + _SURELY * noise)


def _smooth(share: torch.Tensor) -> torch.Tensor:
    return share * share * (3 - 2 * share)
