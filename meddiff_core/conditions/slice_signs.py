"""What each axial slice shows of the landmarks of a body region: lungs, skull, airway, outline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

# Bone nearer to the middle of the body than this is no skull: vertebrae, the shaft of a limb.
_SKULL_RADIUS_MM = 40.0
_SECTORS = 24
# Gas this near to the middle of the body counts as airway; folds of skin and bowel mostly lie further out.
_MIDLINE_MM = 25.0
_AIRWAY_CM2 = 0.4


@dataclass(frozen=True)
class SliceSigns:
    """One number for each axial slice, from feet to head, arrays `(Z,)`.

    Args:
        step: distance of the slices in mm.
        area: cross-section of the largest part of the body in cm2: arms beside a head do not count.
        width: its extent from left to right in mm.
        depth: its extent from back to front in mm.
        lung: share of the body that is lung.
        bone_ring: share of the directions from the middle of the body in which bone lies at a distance.
        airway: whether there is gas deep inside and near the midline.
    """

    step: float
    area: np.ndarray
    width: np.ndarray
    depth: np.ndarray
    lung: np.ndarray
    bone_ring: np.ndarray
    airway: np.ndarray

    def part(self, slices: slice) -> SliceSigns:
        """The signs of a run of slices alone."""
        arrays = {name: value[slices] for name, value in vars(self).items() if name != "step"}
        return SliceSigns(step=self.step, **arrays)


def slice_signs(
    body: np.ndarray, lung: np.ndarray, bone: np.ndarray, gas: np.ndarray, spacing: Sequence[float]
) -> SliceSigns:
    """The signs of every slice of four masks on one coarse grid.

    Args:
        body: bool `(X, Y, Z)`, axes towards right (or left), front and head.
        lung: voxels with the density of lung.
        bone: voxels with the density of bone.
        gas: all voxels with the density of gas, outside the body too.
        spacing: voxel size in mm.
    """
    signs = {name: np.zeros(body.shape[2]) for name in ("area", "width", "depth", "lung", "bone_ring")}
    airway = np.zeros(body.shape[2], dtype=bool)
    # The rim of gas in the bowel has the density of lung, but it is thin.
    lung = ndimage.binary_opening(lung & body, np.ones((3, 3, 1)))
    # Three voxels deep: folds of skin and gaps at the border of a crop are no airway.
    deep_gas = gas & ndimage.binary_erosion(body, np.ones((3, 3, 1)), iterations=3)
    voxel_cm2 = spacing[0] * spacing[1] / 100.0
    for k in np.flatnonzero(body.any(axis=(0, 1))):
        parts, _ = ndimage.label(body[:, :, k])
        largest = parts == 1 + np.bincount(parts.ravel())[1:].argmax()
        x, y = (axis * step for axis, step in zip(np.nonzero(largest), spacing, strict=False))
        middle = x.mean(), y.mean()
        signs["area"][k] = len(x) * voxel_cm2
        signs["width"][k], signs["depth"][k] = np.ptp(x) + spacing[0], np.ptp(y) + spacing[1]
        signs["lung"][k] = lung[:, :, k].sum() / body[:, :, k].sum()
        signs["bone_ring"][k] = _ring(bone[:, :, k] & largest, middle, spacing)
        gas_x = np.nonzero(deep_gas[:, :, k] & largest)[0] * spacing[0]
        airway[k] = (np.abs(gas_x - middle[0]) < _MIDLINE_MM).sum() * voxel_cm2 > _AIRWAY_CM2
    return SliceSigns(step=float(spacing[2]), airway=airway, **signs)


def _ring(bone: np.ndarray, middle: tuple[float, float], spacing: Sequence[float]) -> float:
    x, y = (
        axis * step - center for axis, step, center in zip(np.nonzero(bone), spacing, middle, strict=False)
    )
    far = np.hypot(x, y) > _SKULL_RADIUS_MM
    sectors = np.floor((np.arctan2(y[far], x[far]) / (2 * np.pi) + 0.5) * _SECTORS).astype(int) % _SECTORS
    return len(np.unique(sectors)) / _SECTORS
