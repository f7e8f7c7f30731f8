"""Coarse anatomy labels from HU alone, for scans without a TotalSegmentator map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from meddiff_core.conditions.body import body_mask
from meddiff_core.conditions.vocabulary import BODY, label_id

GAS_HU = -400.0
FAT_HU = (-180.0, -30.0)
# Above contrast-filled veins; an artery in the arterial phase is denser and comes out as bone.
BONE_HU = 220.0
# Air in airways and bowel is purer than lung, bullae included.
_PURE_GAS_HU = -960.0
_LUNG_MEAN_HU = (-940.0, -500.0)
_LUNG_MIN_ML = 20.0
_BONE_MIN_ML = 0.3
# Vessels within lung and marrow within bone are filled per slice up to this area; the spinal canal is larger.
_HOLE_MM2 = 120.0
_AIRWAY_MM = 2.0
_SMOOTH_MM = 1.0


def coarse_labels(hu: np.ndarray, spacing: Sequence[float] = (1.0, 1.0, 1.0)) -> np.ndarray:
    """Label lung, gas outside the lungs, fat and bone; other tissue is `body`, the rest 0.

    Args:
        hu: CT `(X, Y, Z)` in HU, axial slices along the last axis.
        spacing: voxel size in mm.

    Returns:
        uint8 `(X, Y, Z)` with ids of the vocabulary.
    """
    body = body_mask(hu, spacing)
    labels = np.zeros(body.shape, dtype=np.uint8)
    for box in ndimage.find_objects(body.astype(np.uint8)):  # one, or none where there is no body
        labels[box] = _classify(np.asarray(hu)[box].astype(np.float32), body[box], spacing)
    return labels


def _classify(hu: np.ndarray, body: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    smooth = ndimage.gaussian_filter(hu, [_SMOOTH_MM / step for step in spacing], truncate=2)
    gas = body & (smooth < GAS_HU)
    lung = _fill_holes(_lungs(gas, smooth, spacing), spacing) & body
    dense = body & (smooth > BONE_HU)
    bone = _fill_holes(_large(dense, _BONE_MIN_ML / _voxel_ml(spacing)), spacing) & body

    labels = np.where(body, np.uint8(BODY), np.uint8(0))
    labels[body & (smooth > FAT_HU[0]) & (smooth < FAT_HU[1])] = label_id("fat")
    labels[gas] = label_id("airway_gas")
    labels[lung] = label_id("lung")
    labels[bone] = label_id("bone")
    return labels


def _lungs(gas: np.ndarray, smooth: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """Large components of lung density once the airways, which connect both lungs, are taken out."""
    size = [2 * int(_AIRWAY_MM // step) + 1 for step in spacing]
    # Opened by a box to drop single dark voxels of lung, then grown over the partial volume at the wall.
    airway = ndimage.minimum_filter(gas & (smooth < _PURE_GAS_HU), size)
    airway = ndimage.maximum_filter(airway, [2 * extent + 1 for extent in size])
    rest = gas & ~airway
    parts, count = ndimage.label(rest)
    if count == 0:
        return rest
    sizes = np.bincount(parts.ravel())
    means = np.bincount(parts.ravel(), weights=smooth.ravel()) / np.maximum(sizes, 1)
    keep = (
        (sizes * _voxel_ml(spacing) > _LUNG_MIN_ML) & (means > _LUNG_MEAN_HU[0]) & (means < _LUNG_MEAN_HU[1])
    )
    keep[0] = False
    return keep[parts]


def _large(mask: np.ndarray, voxels: float) -> np.ndarray:
    """Components of more than `voxels` voxels (2D or 3D)."""
    parts, _ = ndimage.label(mask)
    keep = np.bincount(parts.ravel()) > voxels
    keep[0] = False
    return keep[parts]


def _fill_holes(mask: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """Fill holes of up to `_HOLE_MM2` in each axial slice."""
    voxels = _HOLE_MM2 / (spacing[0] * spacing[1])
    return np.stack([~_large(~mask[:, :, k], voxels) for k in range(mask.shape[2])], axis=2)


def _voxel_ml(spacing: Sequence[float]) -> float:
    return float(np.prod(spacing)) / 1000.0
