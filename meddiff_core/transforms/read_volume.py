"""Read one volume, whatever its numbers mean."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from monai.data import MetaTensor

from meddiff_core.errors import InputError
from meddiff_core.transforms.dicom import read_series
from meddiff_core.transforms.read_file import read_file
from meddiff_core.transforms.scans import VOLUME_SUFFIXES, volume_suffix

# Fewer voxels along an axis are a localizer or a few slices, not a volume.
_MIN_VOXELS = 8


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
    if min(shape) < _MIN_VOXELS:
        raise InputError(f"{path} has {size} voxels: give at least {_MIN_VOXELS} along every axis.")
