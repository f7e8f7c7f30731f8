"""The whole range of HU: what lies outside a region's HU window is inferred in that of the class `full`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

import numpy as np
import torch
from monai.utils import ensure_tuple_rep
from torch.nn import functional as F

from meddiff_core.conditions.regions import FULL, region_window
from meddiff_core.conditions.window_edge import beyond_window
from meddiff_core.diffusion.schedule import NoiseSchedule
from meddiff_core.inferers.known_part import BLOCK, KnownPart, content_of_mask
from meddiff_core.inferers.volume import Volume
from meddiff_core.inferers.window_grid import WindowGrid

_PLACE_WINDOWS = (32, 48)
"""Windows for small places, such as bone in a chest: training patches are no larger."""


def outside_volume(
    volume: Volume, inside: torch.Tensor, schedule: NoiseSchedule, noise: float = 0.0
) -> Volume | None:
    """The volume in the HU window of `full`, known wherever the scan lies within that of its region.

    Args:
        volume: in the HU window of its region, not clipped.
        inside: its clean image there, `(1, 1, X, Y, Z)` in [-1, 1].
        schedule: noise schedule, which knows what the network predicts.
        noise: standard deviation of the image's noise in [-1, 1].

    Returns:
        None where nothing lies outside.
    """
    content = content_of_mask(beyond_window(inside, volume.image, noise)[0, 0].cpu().numpy(), margin=0)
    x0 = inside
    if volume.known is not None:
        # air far from the body is beyond most windows, and known
        content &= volume.known.content
        x0 = torch.where(_voxels(volume.known.content, inside), inside, volume.known.x0.to(inside))
    if not content.any():
        return None
    hu_window, full = volume.hu_window, region_window(FULL)
    known = KnownPart(content, full.to_unit(hu_window.to_hu(x0)), schedule)
    return replace(volume, region=FULL, image=full.to_unit(hu_window.to_hu(volume.image)), known=known)


def place_window(
    volume: Volume, size: Sequence[int] | int, overlap: float, divisor: int
) -> Sequence[int] | int:
    """The size of windows that takes the fewest voxels of the network, at most `size`.

    Args:
        volume: from `outside_volume`.
        size: largest window in voxels.
        overlap: share of a window that neighbours share.
        divisor: sides of windows are multiples of this.
    """

    def voxels(size: Sequence[int] | int) -> int:
        grid = WindowGrid(volume.image.shape[2:], size, overlap, divisor, volume.known.content)
        return len(grid.windows) * prod(grid.roi_size)

    small = [[min(place, n) for n in ensure_tuple_rep(size, 3)] for place in _PLACE_WINDOWS]
    return min((size, *small), key=voxels)


def seen_without_network(volume: Volume) -> torch.Tensor:
    """A stand-in for the clean image, to count what a run will take: the mean over 3 x 3 x 3 voxels."""
    return F.avg_pool3d(volume.image, 3, stride=1, padding=1, count_include_pad=False)


def _voxels(content: np.ndarray, like: torch.Tensor) -> torch.Tensor:
    """Blocks of a `KnownPart` as voxels of `like` `(1, 1, X, Y, Z)`."""
    blocks = torch.from_numpy(content).to(like.device)
    for axis in range(3):
        blocks = blocks.repeat_interleave(BLOCK, axis)
    return blocks[tuple(slice(n) for n in like.shape[2:])][None, None]
