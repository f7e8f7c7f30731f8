"""Boxes of voxels, and those around the parts of a mask."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np
from scipy import ndimage

Box = tuple[slice, ...]
"""A slice of voxels along each axis."""


def box_shape(box: Box) -> tuple[int, ...]:
    """Voxels of a box along each axis."""
    return tuple(part.stop - part.start for part in box)


def lesion_boxes(mask: np.ndarray, margin: Sequence[int], least: int, divisor: int = 1) -> list[Box]:
    """Boxes that hold the connected parts of a mask with what is around them; boxes that overlap become one.

    Args:
        mask: bool `(X, Y, Z)`.
        margin: voxels around each part, per axis.
        least: least size in voxels along every axis where the volume has as many.
        divisor: sizes are multiples of this where the volume has as many.

    Returns:
        slices of the volume; no two of them overlap.
    """
    parts, _ = ndimage.label(mask)
    boxes = []
    for part in ndimage.find_objects(parts):
        box = tuple(map(grown, part, margin, [least] * 3, [divisor] * 3, mask.shape))
        while (other := next((known for known in boxes if overlap(known, box)), None)) is not None:
            boxes.remove(other)
            box = tuple(map(grown, union(box, other), [0] * 3, [least] * 3, [divisor] * 3, mask.shape))
        boxes.append(box)
    return boxes


def grown(part: slice, margin: int, least: int, divisor: int, size: int) -> slice:
    """A slice around `part` within an axis of `size` voxels."""
    start, stop = max(0, part.start - margin), min(size, part.stop + margin)
    wanted = min(size, ceil(max(stop - start, least) / divisor) * divisor)
    start = min(max(0, start - (wanted - (stop - start)) // 2), size - wanted)
    return slice(start, start + wanted)


def widened(box: Box, margin: int) -> Box:
    """A box with `margin` voxels around it; where the volume ends sooner, so does what it selects."""
    return tuple(slice(max(0, part.start - margin), part.stop + margin) for part in box)


def union(one: Box, other: Box) -> Box:
    """The smallest box that holds both."""
    return tuple(slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(one, other, strict=True))


def overlap(one: Box, other: Box) -> bool:
    """Whether two boxes share a voxel."""
    return all(a.start < b.stop and b.start < a.stop for a, b in zip(one, other, strict=True))
