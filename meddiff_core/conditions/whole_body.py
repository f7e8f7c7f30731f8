"""The body around the organs that a map names: skin, fat and muscle, for maps that show none of these."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from meddiff_core.conditions.body import block_mean
from meddiff_core.conditions.vocabulary import BODY, COARSE_OF, LABELS, label_id

_FAT, _BONE = label_id("fat"), label_id("bone")

_THIGHS = tuple(label for label, name in LABELS.items() if name.startswith("femur"))
_ARMS = tuple(label for label, name in LABELS.items() if name.startswith("humerus"))
_HEAD = tuple(label for label, name in LABELS.items() if name in ("skull", "brain"))
_MUSCLES = tuple(
    label for label, name in LABELS.items() if name.startswith(("gluteus", "autochthon", "iliopsoas"))
)

# How far the skin lies outside of what is named, in mm. Medians of training scans: 17 to 20 around a trunk
# whose organs and muscles are named; 60 around a femur; 3 to 9 around a skull. An arm is thinner.
_TRUNK_MM, _THIGH_MM, _ARM_MM, _HEAD_MM = 18.0, 60.0, 35.0, 6.0
# A ball of this radius does not enter the body's hollows: neither those between ribs nor the waist.
_CLOSING_MM = 60.0
# Layers by depth, medians of training scans: skin, then fat to 11 mm, then muscle of the wall to 20 mm.
_SKIN_MM, _FAT_MM, _WALL_MM = 2.0, 11.0, 20.0
# Deeper, what is unnamed is muscle so near to a bone or muscle, and fat further off: in training scans the
# share of fat passes one half at 12 mm, around a femur at 45 mm.
_MUSCLE_MM, _LIMB_MUSCLE_MM = 12.0, 45.0
# On a grid of about this voxel size: fast, and skin is smoother than a map's voxels.
_GRID_MM = 3.0


def lacks_tissue(labels: np.ndarray) -> bool:
    """Whether a map names organs and bones, but no fat: TotalSegmentator's, with or without `body`."""
    named = (labels > 0) & (labels < BODY)
    return bool(np.any(named & (COARSE_OF[labels] == _BONE)) and not np.any(labels > BODY))


def complete_body(labels: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """Put skin, fat and muscle around the organs of a map, and between them.

    The body is a closed hull around all that is named, wider by the thickness of skin, fat and muscle there.
    Where it reaches the border of the map it is cut, as by a field of view. An outline that the map has
    (label `body`) is kept instead.

    Args:
        labels: ids of the vocabulary `(X, Y, Z)`.
        spacing: voxel size in mm.

    Returns:
        uint8 `(X, Y, Z)`: the named labels as they are, and around them `body` (muscle, skin) and `fat`.
    """
    labels = np.asarray(labels).astype(np.uint8)
    factors = [int(max(1, _GRID_MM // step)) for step in spacing]
    grid_mm = [step * factor for step, factor in zip(spacing, factors, strict=True)]
    named = (labels > 0) & (labels != BODY)
    outlined = (labels == BODY).any()

    def coarse(mask: np.ndarray) -> np.ndarray:
        return block_mean(mask, factors) > 0.25  # a rib is thinner than a voxel of the grid

    if outlined:
        depth = _depth(block_mean(labels > 0, factors) > 0.5, grid_mm)
    else:
        parts = (_ARMS, _THIGHS, _HEAD)
        depth = _hull(coarse(named), *(coarse(np.isin(labels, part)) for part in parts), grid_mm)
    bone, limb = COARSE_OF[labels] == _BONE, np.isin(labels, _ARMS + _THIGHS)
    reach = np.minimum(
        _distance(coarse((bone & ~limb) | np.isin(labels, _MUSCLES)), grid_mm) - _MUSCLE_MM,
        _distance(coarse(limb), grid_mm) - _LIMB_MUSCLE_MM,
    )
    depth, reach = (_enlarged(field, factors, labels.shape) for field in (depth, reach))
    layer = (depth > _SKIN_MM) & ((depth < _FAT_MM) | ((depth > _WALL_MM) & (reach > 0)))
    body = (labels > 0) if outlined else (depth > 0)
    return np.where(named, labels, np.where(body, np.where(layer, _FAT, BODY), 0)).astype(np.uint8)


def _hull(
    named: np.ndarray, arm: np.ndarray, thigh: np.ndarray, head: np.ndarray, spacing: Sequence[float]
) -> np.ndarray:
    """Depth in mm below the skin around what is named, negative outside, `(x, y, z)`."""
    pad = [int(np.ceil((_CLOSING_MM + _THIGH_MM) / step)) for step in spacing]
    # Edge padding: what the border cuts goes on beyond it.
    named, arm, thigh, head = (
        np.pad(m, [(p, p) for p in pad], mode="edge") for m in (named, arm, thigh, head)
    )
    grown = np.zeros(named.shape, dtype=bool)
    trunk = named & ~arm & ~thigh & ~head
    for mask, reach in ((trunk, _TRUNK_MM), (thigh, _THIGH_MM), (head, _HEAD_MM)):
        grown |= _distance(mask, spacing) <= reach + _CLOSING_MM
    depth = ndimage.distance_transform_edt(grown, spacing) - _CLOSING_MM
    # Not closed: an arm lies beside the trunk, with air between.
    depth = np.maximum(depth, _ARM_MM - _distance(arm, spacing))
    return depth[tuple(slice(p, n - p) for p, n in zip(pad, named.shape, strict=True))]


def _depth(body: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """Distance to the outside in mm; the border of the map is none."""
    padded = np.pad(body, 1, mode="edge")
    return ndimage.distance_transform_edt(padded, spacing)[1:-1, 1:-1, 1:-1]


def _distance(mask: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """Distance to a mask in mm, infinite where it is empty."""
    return ndimage.distance_transform_edt(~mask, spacing) if mask.any() else np.full(mask.shape, np.inf)


def _enlarged(field: np.ndarray, factors: Sequence[int], shape: Sequence[int]) -> np.ndarray:
    """A smooth field of the coarse grid on the voxels of `shape`, linear between."""
    axes = [(np.arange(n) + 0.5) / factor - 0.5 for n, factor in zip(shape, factors, strict=True)]
    result = np.minimum(field, 1e3).astype(np.float32)
    for axis, where in enumerate(axes):
        where = where.clip(0, result.shape[axis] - 1)
        low = np.minimum(where.astype(int), max(result.shape[axis] - 2, 0))
        share = (where - low).reshape([-1 if a == axis else 1 for a in range(3)]).astype(np.float32)
        high = np.minimum(low + 1, result.shape[axis] - 1)
        result = result.take(low, axis) * (1 - share) + result.take(high, axis) * share
    return result
