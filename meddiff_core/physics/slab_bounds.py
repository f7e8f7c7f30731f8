"""Thin slices without rings: within what the neighbouring thick slices show, and in agreement with them."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from meddiff_core.physics.slabs import SlabMeans

# Clamping and correcting the means take turns until means and range hold to so many HU, or so often.
_CLOSE_HU = 0.3
_ROUNDS = 60
_ROWS = 64


def neighbour_range(thick: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Least and greatest HU of each voxel's 3 x 3 x 3 neighbours, itself among them; both like `thick`.

    Args:
        thick: slices `(C, X, Y, n_thick)` in HU.
    """

    def highest(values: torch.Tensor) -> torch.Tensor:
        return F.max_pool3d(values.contiguous(), kernel_size=3, stride=1, padding=1)

    return -highest(-thick), highest(thick)


def agree_within_range(
    thin: torch.Tensor, thick: torch.Tensor, slabs: SlabMeans, margin: float = 0.0
) -> torch.Tensor:
    """`thin` with the slab means `thick`, each voxel in the range of its thick neighbours where both can be.

    The means come first: slabs that share a voxel, and one of which is at the end of its range, may not allow
    both. Alternating projections onto the two sets.

    Args:
        thin: `(C, X, Y, n_thin)` in HU.
        thick: measured slices, `(C, X, Y, n_thick)` in HU.
        slabs: H.
        margin: HU by which a voxel may leave the range.
    """
    result = torch.empty_like(thin)
    # some rows at a time: the bounds of a whole scan would take the memory of several
    parts = (volume.split(_ROWS, dim=1) for volume in (thin, thick, *neighbour_range(thick), result))
    for rows, measured, lowest, highest, agreeing in zip(*parts, strict=True):
        bounds = slabs.repeat(lowest) - margin, slabs.repeat(highest) + margin
        agreeing.copy_(_agreeing(rows, measured, slabs, *bounds))
    return result


def _agreeing(
    thin: torch.Tensor, thick: torch.Tensor, slabs: SlabMeans, lowest: torch.Tensor, highest: torch.Tensor
) -> torch.Tensor:
    """`thin` between two volumes, with the slab means `thick`."""
    thin = slabs.correct(thin.clamp(lowest, highest), thick)
    for _ in range(_ROUNDS):
        excess = torch.maximum(thin - highest, lowest - thin).amax(dim=-1)
        beyond = excess > _CLOSE_HU  # only these lines need another turn
        if not beyond.any():
            break
        lines, wanted = thin[beyond].clamp(lowest[beyond], highest[beyond]), thick[beyond]
        far = (slabs.thick(lines) - wanted).abs().amax(dim=-1) > _CLOSE_HU
        lines[far] = slabs.correct(lines[far], wanted[far])
        thin[beyond] = lines
    return thin


def smooth_within_range(thick: torch.Tensor, slabs: SlabMeans) -> torch.Tensor:
    """The smoothest volume with the slab means `thick`, without its rings: see `agree_within_range`.

    The rings of `SlabMeans.upsample` beside bone and air are gone, worth 0.3 to 1 dB (chest, head and
    abdomen, 2 and 5 thin slices per thick one, PSNR over all HU).

    Args:
        thick: slices `(C, X, Y, n_thick)` in HU.
        slabs: H.
    """
    return agree_within_range(slabs.upsample(thick), thick, slabs)
