"""Whether two volumes lie on one grid, whatever the order in which their axes are stored."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import torch
from monai.data import MetaTensor
from nibabel.affines import apply_affine, voxel_sizes

from meddiff_core.errors import InputError

# The part of a voxel by which two grids may differ: affines are often stored with few digits.
_TOLERANCE = 0.1


def on_grid_of(reference: MetaTensor, volume: MetaTensor, name: str, other: str = "the image") -> MetaTensor:
    """`volume` with its axes in the order and direction of `reference`, on whose grid it has to lie.

    DICOM readers, dcm2niix and registration tools store one grid in different orders and directions of axes.

    Args:
        reference: MetaTensor `(1, X, Y, Z)`.
        volume: MetaTensor on the same voxels, stored in any order and direction.
        name: begins the sentence of a refusal.
        other: what that sentence calls the reference.

    Returns:
        a MetaTensor of the shape and with the affine of `reference`, and the metadata of `volume`.

    Raises:
        InputError: another grid, with what differs: shape, voxel size or position.
    """
    theirs = np.asarray(reference.affine, dtype=float)
    order = nib.io_orientation(np.linalg.inv(theirs) @ np.asarray(volume.affine, dtype=float))
    shape = tuple(volume.shape[1:])
    array = nib.apply_orientation(np.asarray(volume)[0], order)
    affine = np.asarray(volume.affine, dtype=float) @ nib.orientations.inv_ornt_aff(order, shape)
    if array.shape != tuple(reference.shape[1:]) or _shift(affine, theirs, array.shape)[0] > _TOLERANCE:
        raise InputError(_difference(reference, array.shape, affine, name, other))
    meta = volume.meta | {"original_affine": theirs, "spatial_shape": np.array(array.shape)}
    return MetaTensor(torch.from_numpy(np.ascontiguousarray(array))[None], affine=theirs, meta=meta)


def _shift(affine: np.ndarray, theirs: np.ndarray, shape: tuple[int, ...]) -> tuple[float, float]:
    """The largest distance of two grids at a corner, in voxels and in mm: rotations show there, too."""
    corners = np.array(list(np.ndindex(2, 2, 2))) * (np.array(shape) - 1)
    away = apply_affine(affine, corners) - apply_affine(theirs, corners)
    voxels = away @ np.linalg.inv(theirs[:3, :3]).T
    return float(np.abs(voxels).max()), float(np.linalg.norm(away, axis=1).max())


def _difference(
    reference: MetaTensor, shape: tuple[int, ...], affine: np.ndarray, name: str, other: str
) -> str:
    theirs = np.asarray(reference.affine, dtype=float)
    ours, wanted = _described(shape, affine), _described(tuple(reference.shape[1:]), theirs)
    if ours != wanted:
        return f"{name} is on another grid: {ours}, {other} has {wanted}; resample it."
    voxels, mm = _shift(affine, theirs, shape)
    return f"{name} is on another grid: it lies {voxels:.3g} voxels ({mm:.3g} mm) off {other}; resample it."


def _described(shape: tuple[int, ...], affine: np.ndarray) -> str:
    size = " x ".join(f"{step:.3g}" for step in voxel_sizes(affine))
    return f"{' x '.join(map(str, shape))} voxels of {size} mm"
