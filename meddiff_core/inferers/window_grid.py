"""Where the windows of a volume lie: overlapping and fixed, or side by side and elsewhere each time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, product
from math import ceil

import numpy as np
import torch
from monai.data.utils import dense_patch_slices
from monai.utils import ensure_tuple_rep

from meddiff_core.conditions.boxes import Box
from meddiff_core.inferers.known_part import BLOCK

LEAST_PIECE = 32
"""Voxels that a window cut off by the border keeps along an axis, as many as the smallest training patch."""


class WindowGrid:
    """Windows over the part of a volume that holds something.

    The grid is that of MONAI's `sliding_window_inference`: the last window of an axis is shifted to end at
    the border, so every voxel is covered. Where fewer voxels per window do with as many windows, windows are
    that much smaller. Windows without content are left out.

    Args:
        spatial_shape: `(X, Y, Z)` of the volume.
        roi_size: largest window in voxels.
        overlap: share of the window that neighbours share, in [0, 1).
        divisor: sides of windows are multiples of this; the volume is padded to one.
        content: blocks of `BLOCK` voxels that hold something, see `KnownPart`; None for all.

    Attributes:
        padded: the volume's shape after padding.
        roi_size: the windows' shape.
        windows: the windows of the fixed grid, in voxels of the padded volume.
    """

    def __init__(
        self,
        spatial_shape: Sequence[int],
        roi_size: Sequence[int] | int,
        overlap: float,
        divisor: int = 1,
        content: np.ndarray | None = None,
    ) -> None:
        if not 0 <= overlap < 1:
            raise ValueError(f"overlap is {overlap}: use at least 0 and less than 1.")
        # Along a side of one divisor the network's coarsest level has a single voxel, and convolutions in
        # bfloat16 on a CPU give NaN there.
        self._least = 2 * divisor if divisor > 1 else 1
        self.padded = tuple(max(self._least, ceil(n / divisor) * divisor) for n in spatial_shape)
        self._divisor = divisor
        self._content = content
        self._box = [slice(0, n) for n in self.padded] if content is None else self._content_box()
        sizes = [part.stop - part.start for part in self._box]
        self.roi_size = tuple(
            _evened(n, min(n, ceil(roi / divisor) * divisor), overlap, divisor)
            for n, roi in zip(sizes, ensure_tuple_rep(roi_size, 3), strict=True)
        )
        strides = [_stride(roi, overlap) for roi in self.roi_size]
        grid = dense_patch_slices(sizes, self.roi_size, strides) if all(sizes) else []
        self.windows = self._with_content([tuple(map(_shifted, window, self._box)) for window in grid])

    def moved(self, generator: torch.Generator) -> list[Box]:
        """Windows side by side, from a random offset: every voxel lies in one, and borders never stay.

        At the ends of an axis they are smaller, so that together they are as large as the volume.
        """
        parts = [self._pieces(axis, generator) for axis in range(3)]
        return self._with_content(list(product(*parts)))

    def _pieces(self, axis: int, generator: torch.Generator) -> list[slice]:
        """One axis of the box, cut every `roi_size` voxels from a random first cut on."""
        start, stop, roi = self._box[axis].start, self._box[axis].stop, self.roi_size[axis]
        if stop - start <= roi:
            return [self._box[axis]]
        least = min(ceil(LEAST_PIECE / self._divisor) * self._divisor, roi)
        choices = (roi - least) // self._divisor + 1
        first = least + self._divisor * int(torch.randint(choices, (), generator=generator))
        cuts = [start, *range(start + first, stop, roi), stop]
        if cuts[-1] - cuts[-2] < least:  # the last two share what they have
            cuts[-2] = cuts[-3] + (cuts[-1] - cuts[-3]) // 2 // self._divisor * self._divisor
        return [slice(*ends) for ends in pairwise(cuts)]

    def _with_content(self, windows: Sequence[Box]) -> list[Box]:
        if self._content is None:
            return list(windows)
        return [window for window in windows if self._content[tuple(map(_blocks, window))].any()]

    def _content_box(self) -> list[slice]:
        """The smallest box that holds all content, in voxels."""
        box = []
        for axis, size in enumerate(self.padded):
            others = tuple(a for a in range(3) if a != axis)
            filled = np.flatnonzero(self._content.any(axis=others))
            if not len(filled):
                return [slice(0, 0)] * 3
            start, stop = filled[0] * BLOCK, min(size, (filled[-1] + 1) * BLOCK)
            length = max(self._least, ceil((stop - start) / self._divisor) * self._divisor)
            start = int(min(start, size - length))
            box.append(slice(start, start + length))
        return box


def _evened(size: int, roi: int, overlap: float, divisor: int) -> int:
    """The smallest window that covers an axis with no more windows than `roi` needs."""
    most = _count(size, roi, overlap)
    return (
        next(n for n in range(divisor, roi + 1, divisor) if _count(size, n, overlap) <= most) if size else 0
    )


def _count(size: int, roi: int, overlap: float) -> int:
    return 1 + max(0, ceil((size - roi) / _stride(roi, overlap)))


def _stride(roi: int, overlap: float) -> int:
    return max(1, int(roi * (1 - overlap)))


def _shifted(part: slice, box: slice) -> slice:
    return slice(part.start + box.start, part.stop + box.start)


def _blocks(part: slice) -> slice:
    return slice(part.start // BLOCK, ceil(part.stop / BLOCK))
