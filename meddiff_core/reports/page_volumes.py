"""The volumes within a page: cut to the body, made coarser where they are too large, and packed as text."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from skimage.measure import block_reduce

from meddiff_core.conditions.boxes import Box, box_shape, union
from meddiff_core.reports.planes import coarse_body

MAX_VOXELS = 28_000_000
"""Of all CTs of a page together. 12 bits each, which noise fills, are 2 characters: below 60 MB."""

HU_RANGE = (-1024, 3071)
"""What 12 bits hold; display windows end before."""

_MARGIN_MM = 10.0


@dataclass(frozen=True)
class Frame:
    """The part of a volume that a page shows.

    Args:
        box: the part, first voxel and one after the last per axis.
        steps: how many voxels become one, per axis.
    """

    box: tuple[slice, ...]
    steps: tuple[int, ...]

    @property
    def origin(self) -> list[int]:
        """The voxel that the first one shown begins with."""
        return [along.start for along in self.box]

    @property
    def shape(self) -> list[int]:
        """Voxels `(X, Y, Z)` within the frame."""
        return [(along.stop - along.start) // step for along, step in zip(self.box, self.steps, strict=True)]

    def inside(self, voxel: Sequence[int]) -> list[int]:
        """The voxel within the frame that a voxel of the whole volume belongs to, or the nearest one."""
        along = zip(voxel, self.origin, self.steps, self.shape, strict=True)
        return [min(max((at - first) // step, 0), n - 1) for at, first, step, n in along]

    def means(self, hu: np.ndarray) -> np.ndarray:
        """CT `(X, Y, Z)` within the frame, int16 HU; means of blocks where voxels are joined."""
        return np.rint(np.clip(self._reduce(hu, np.mean), *HU_RANGE)).astype(np.int16)

    def highest(self, values: np.ndarray) -> np.ndarray:
        """Mask or map within the frame; the highest of joined voxels, so that nothing small is lost."""
        return self._reduce(values, np.max)

    def nearest(self, labels: np.ndarray) -> np.ndarray:
        """Label map within the frame."""
        whole = self._whole(labels)
        return whole[tuple(slice(step // 2, None, step) for step in self.steps)]

    def _reduce(self, values: np.ndarray, function) -> np.ndarray:
        whole = self._whole(values)
        return whole if max(self.steps) == 1 else block_reduce(whole, self.steps, function)

    def _whole(self, values: np.ndarray) -> np.ndarray:
        """The box, without the last voxels that fill no block."""
        cut = values[self.box]
        return cut[tuple(slice(n // step * step) for n, step in zip(cut.shape, self.steps, strict=True))]


def frame_for(
    volumes: Sequence[np.ndarray],
    overlays: Sequence[np.ndarray],
    spacing: Sequence[float],
    max_voxels: int = MAX_VOXELS,
) -> Frame:
    """Box around the body and every overlay, joining voxels along the finest axes until it is small enough.

    Args:
        volumes: CTs `(X, Y, Z)` in HU on one grid; the body is sought in the first.
        overlays: on the same grid, nonzero where they show something.
        spacing: voxel size in mm.
        max_voxels: of all CTs together within the frame.
    """
    box = _body_box(volumes[0], spacing)
    for overlay in overlays:
        shown = _bounds(overlay != 0)
        box = union(box, shown) if box and shown else box or shown
    box = box or tuple(slice(0, n) for n in volumes[0].shape)
    sizes = np.array(box_shape(box))
    steps, spacing = np.ones(3, int), np.asarray(spacing, float)
    while len(volumes) * np.prod(sizes // steps) > max_voxels:
        voxel = steps * spacing
        steps[voxel < 1.01 * voxel.min()] += 1
    return Frame(box, tuple(int(step) for step in steps))


def packed(values: np.ndarray) -> str:
    """Array `(X, Y, Z)`, little-endian and x fastest, gzipped, in base64."""
    raw = values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes(order="F")
    return base64.b64encode(gzip.compress(raw, compresslevel=4, mtime=0)).decode("ascii")


def shares(values: np.ndarray, top: float) -> np.ndarray:
    """A map from 0 to `top` as uint8 0 to 255."""
    return np.rint(np.clip(values / top, 0, 1) * 255).astype(np.uint8)


def mask_sizes(masks: Mapping[str, np.ndarray], spacing: Sequence[float]) -> dict[str, str]:
    """Volume in ml of each mask, in words."""
    ml = np.prod(spacing) / 1000
    return {name: f"{np.count_nonzero(mask) * ml:.1f} ml" for name, mask in masks.items()}


def _body_box(hu: np.ndarray, spacing: Sequence[float]) -> Box | None:
    body, steps = coarse_body(hu, spacing)
    box = _bounds(body)
    if box is None:
        return None
    margins = [round(_MARGIN_MM / float(size)) for size in spacing]
    scaled = zip(box, steps, margins, hu.shape, strict=True)
    return tuple(
        slice(max(0, along.start * step - margin), min(n, along.stop * step + margin))
        for along, step, margin, n in scaled
    )


def _bounds(mask: np.ndarray) -> Box | None:
    found = ndimage.find_objects(mask.view(np.uint8))
    return found[0] if found else None
