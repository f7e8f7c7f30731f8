"""Multi-level patches: the same voxel grid over a crop, a crop twice as large, or the whole volume."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, Randomizable
from monai.transforms.croppad.functional import pad_nd
from monai.utils import ensure_tuple_rep
from torch.nn import functional as F

from meddiff_core.conditions.position import coordinates


def resample_antialiased(image: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """Resize `(C, X, Y, Z)`: a box filter where an axis shrinks, linear interpolation where it grows."""
    for axis, new in enumerate(size, start=1):
        old = image.shape[axis]
        if new < old:
            image = torch.tensordot(_box_means(old, new), image, ([1], [axis])).movedim(0, axis)
    return F.interpolate(image[None], tuple(size), mode="trilinear", align_corners=False)[0]


def _box_means(old: int, new: int) -> torch.Tensor:
    """Weights `(new, old)` of the old voxels in each new one: how much of it they fill.

    PyTorch's adaptive pooling takes whole voxels only, which shifts the image by up to half of one against
    the labels and the coordinates.
    """
    edges = torch.arange(new + 1) * (old / new)
    voxels = torch.arange(old)
    overlap = torch.minimum(edges[1:, None], voxels + 1) - torch.maximum(edges[:-1, None], voxels)
    return overlap.clamp(min=0) * (new / old)


def box_coordinates(
    start: Sequence[int], box: Sequence[int], size: Sequence[int], shape: Sequence[int]
) -> torch.Tensor:
    """Coordinates `(3, *size)` of a box resampled to `size` voxels, in the volume of `shape` (eq. 5).

    A resized patch keeps the coordinates of the voxels it came from: output voxel i is centred at
    `start + (i + 0.5) box / size - 0.5`.
    """
    axes = []
    for first, extent, n, whole in zip(start, box, size, shape, strict=True):
        centre = first + (torch.arange(n) + 0.5) * extent / n - 0.5
        axes.append(2 * centre / (whole - 1) - 1 if whole > 1 else torch.zeros(n))
    return torch.stack(torch.meshgrid(*axes, indexing="ij"))


class RandLevelPatchd(MapTransform, Randomizable):
    """One level of the paper's three kinds of patches; `RandMultiLevelPatchd` or MONAI's `OneOf` draws it.

    Adds the coordinates `coords` `(3, X, Y, Z)` of the patch's voxels. Where a volume is thinner than the
    patch, its mirror image continues it, in the image, the labels and the coordinates alike.

    Args:
        keys: images and label maps of the same grid, `(C, X, Y, Z)`.
        roi_size: size of the patch that comes out.
        zoom: voxels of the volume per voxel of the patch, for all axes or for each: 1 crops the patch, 2
            crops twice the patch and resizes it; None resizes the whole volume.
        body_key: label map in which a patch must hold some body.
        min_body: least share of body in a patch; the best of `tries` boxes is taken if none reaches it.
        tries: boxes to draw.
        mode: of each key: `area` for an image, which is resized as `resample_antialiased` does, `nearest` for
            labels. Default: the first key is an image, the others are labels.
        voxels_key: indices of voxels, of which a patch must hold one (a lesion): what MONAI's
            `ClassesToIndicesd` makes of a mask, whose last class counts.
        allow_missing_keys: leave out keys that are absent, but never the first.
    """

    def __init__(
        self,
        keys: KeysCollection,
        roi_size: Sequence[int] | int,
        zoom: Sequence[float] | float | None = 1,
        body_key: str = "anatomy",
        min_body: float = 0.3,
        tries: int = 8,
        mode: Sequence[str] | None = None,
        voxels_key: str | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.voxels_key = voxels_key
        self.mode = mode or ["area"] + ["nearest"] * (len(self.keys) - 1)
        self.roi_size = ensure_tuple_rep(roi_size, 3)
        self.zoom = None if zoom is None else ensure_tuple_rep(zoom, 3)
        self.body_key = body_key
        self.min_body = min_body
        self.tries = tries

    def __call__(self, data: Mapping[Hashable, torch.Tensor]) -> dict[Hashable, torch.Tensor]:
        result = dict(data)
        shape = result[self.keys[0]].shape[1:]
        zoom = self.zoom or [n / r for n, r in zip(shape, self.roi_size, strict=True)]
        box = [min(n, round(r * z)) for n, r, z in zip(shape, self.roi_size, zoom, strict=True)]
        if self.voxels_key:
            start = self._start_around(shape, box, result[self.voxels_key][-1])
        else:
            start = self._start_in_body(shape, box, torch.as_tensor(result[self.body_key]))
        # the part of the patch that the box fills; the rest is mirrored
        size = [max(1, round(n / z)) for n, z in zip(box, zoom, strict=True)]
        cut = tuple(slice(a, a + n) for a, n in zip(start, box, strict=True))
        for key, mode in self.key_iterator(result, self.mode):
            patch = torch.as_tensor(result[key])[(slice(None), *cut)]
            if mode == "area":
                patch = resample_antialiased(patch.float(), size)
            else:
                patch = F.interpolate(patch[None].float(), size, mode="nearest-exact")[0]
            result[key] = mirror_to(patch, self.roi_size)
        result["coords"] = mirror_to(box_coordinates(start, box, size, shape), self.roi_size)
        return result

    def suits(self, shape: Sequence[int], coarse: bool) -> bool:
        """Whether this level serves a volume of `shape`: see `RandMultiLevelPatchd`."""
        if self.zoom is None:
            return True
        fills = any(n >= r * z for n, r, z in zip(shape, self.roi_size, self.zoom, strict=True))
        return fills and (not coarse or min(self.zoom) >= 2)

    def _start_around(self, shape: Sequence[int], box: Sequence[int], voxels: Sequence[int]) -> list[int]:
        """First voxel of a box that holds one of `voxels`, anywhere within it."""
        voxel = np.unravel_index(int(voxels[self.R.randint(len(voxels))]), shape)
        starts = [int(v) - int(self.R.randint(b)) for v, b in zip(voxel, box, strict=True)]
        return [min(max(0, a), n - b) for a, n, b in zip(starts, shape, box, strict=True)]

    def _start_in_body(self, shape: Sequence[int], box: Sequence[int], labels: torch.Tensor) -> list[int]:
        """First voxel of a random box, of several the first with enough body."""
        best, best_share = [0, 0, 0], -1.0
        for _ in range(self.tries):
            start = [int(self.R.randint(0, n - b + 1)) for n, b in zip(shape, box, strict=True)]
            # every fourth voxel is enough to tell body from air
            sparse = tuple(slice(a, a + b, 4) for a, b in zip(start, box, strict=True))
            share = float((labels[(0, *sparse)] > 0).float().mean())
            if share > best_share:
                best, best_share = start, share
            if share >= self.min_body:
                break
        return best


def mirror_to(patch: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """Continue `(C, X, Y, Z)` by its mirror image at the far end of each axis until it has `size` voxels."""
    missing = [(0, 0), *((0, max(0, n - have)) for n, have in zip(size, patch.shape[1:], strict=True))]
    return pad_nd(patch, missing, mode="symmetric")


class Coordinatesd(MapTransform):
    """Adds the coordinates `coords` `(3, X, Y, Z)` of a whole volume, for small validation sets.

    Args:
        keys: one image, `(C, X, Y, Z)`.
    """

    def __call__(self, data: Mapping[Hashable, torch.Tensor]) -> dict[Hashable, torch.Tensor]:
        result = dict(data)
        for key in self.key_iterator(result):
            result["coords"] = coordinates(result[key].shape[1:])
        return result
