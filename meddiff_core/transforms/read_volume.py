"""Read one volume, whatever its numbers mean."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from monai.data import MetaTensor

from meddiff_core.errors import InputError
from meddiff_core.transforms.dicom import read_series
from meddiff_core.transforms.read_file import read_file
from meddiff_core.transforms.scans import VOLUME_SUFFIXES, volume_suffix

MIN_VOXELS = 8
"""Along an axis; fewer are a localizer or a few slices, not a volume."""


def read_volume(path: Path) -> MetaTensor:
    """Read one 3-D volume, float32 `(1, X, Y, Z)`, whatever its numbers mean."""
    if not path.exists():
        raise InputError(f"{path} does not exist: check the path.")
    if not os.access(path, os.R_OK):
        raise InputError(f"{path} may not be read: ask for read permission.")
    if not path.is_dir() and not (path.is_file() and volume_suffix(path)):
        known = ", ".join(VOLUME_SUFFIXES)
        raise InputError(f"{path} is no volume: use {known}, or the folder of a DICOM series.")
    description: dict[str, str] = {}
    if path.is_dir():
        array, series = read_series(path)
        affine, header, description = series.affine, {}, series.description
    else:
        array, affine, header = read_file(path)
    while array.ndim > 3 and array.shape[-1] == 1:
        array = array[..., 0]
    _check_shape(array.shape, path)
    meta = {"filename_or_obj": str(path), "original_affine": affine, "spatial_shape": np.array(array.shape)}
    return MetaTensor(torch.from_numpy(array)[None], affine=affine, meta=meta | header | description)


def _check_shape(shape: tuple[int, ...], path: Path) -> None:
    size = " x ".join(str(n) for n in shape)
    if len(shape) > 3:
        raise InputError(f"{path} is not one volume but {size} (channels or time): give a 3-D volume.")
    if len(shape) < 3 or 1 in shape:
        raise InputError(f"{path} is a single slice ({size}): give a volume.")


def check_size(shape: Sequence[int], name: str, min_slices: int = MIN_VOXELS) -> None:
    """Refuse volumes in which a task sees no 3-D structure; `name` begins the sentence."""
    size = " x ".join(str(n) for n in shape)
    slices, shorter, _ = sorted(shape)
    if shorter < MIN_VOXELS:
        raise InputError(f"{name} has {size} voxels: give at least {MIN_VOXELS} along both axes of a slice.")
    if slices < min_slices:
        raise InputError(
            f"{name} has {slices} slices ({size} voxels), too few to see what lies across them: "
            f"this task needs {min_slices} or more (denoising takes from 2 on)."
        )
