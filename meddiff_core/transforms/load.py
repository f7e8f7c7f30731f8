"""Load CT volumes and label maps, and refuse in one sentence what is neither."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from meddiff_core.conditions.organ_volumes import warn_of_volumes
from meddiff_core.conditions.vocabulary import NUM_LABELS
from meddiff_core.errors import InputError
from meddiff_core.transforms.dicom import read_series
from meddiff_core.transforms.read_file import read_file
from meddiff_core.transforms.scans import VOLUME_SUFFIXES, volume_suffix

MIN_VOXELS = 8
"""Along an axis; fewer are a localizer or a few slices, not a volume."""

# Air is -1000; scanners pad what they did not see with -1024, -2000, -3024 or less.
_PADDING_HU = -1500.0
# Any two tissues differ by more; a blank or a normalised image does not.
_MIN_RANGE_HU = 50.0
# Metal reaches 30000 on the extended scale of some scanners.
_MAX_HU = 1e5
# The part of a voxel by which two grids may differ: affines are often stored with few digits.
_GRID_TOLERANCE = 0.1


class LoadCTd(MapTransform):
    """Load a CT from NIfTI, NRRD, MHA or a folder with one DICOM series.

    The result is a float32 MetaTensor `(1, X, Y, Z)` in HU on the file's own grid, with a RAS affine in mm.
    Its meta keeps `filename_or_obj`, the NIfTI form codes, and of a DICOM header what tells the body part.

    Args:
        keys: keys that hold paths, default "image".
        allow_missing_keys: leave out keys that are absent.
        min_slices: voxels that the shortest axis must have.

    Raises:
        InputError: missing, damaged, not 3-D, too thin, NaN or infinite, or not in HU; or a DICOM series that
            is not one, not CT, or fills no regular grid, see `find_series`.
    """

    def __init__(
        self,
        keys: KeysCollection = "image",
        allow_missing_keys: bool = False,
        min_slices: int = MIN_VOXELS,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.min_slices = min_slices

    def __call__(self, data: Mapping[Hashable, str | Path]) -> dict[Hashable, MetaTensor]:
        d = dict(data)
        for key in self.key_iterator(d):
            path = Path(d[key]).expanduser()
            d[key] = read_volume(path)
            check_size(d[key].shape[1:], str(path), self.min_slices)
            _check_hu(d[key], path)
        return d


class LoadLabelsd(MapTransform):
    """Load integer label maps that lie on the grid of an image which is loaded already.

    The result is a float32 MetaTensor `(1, X, Y, Z)` of whole numbers. Absent or None: left out.

    Args:
        keys: keys that hold paths, for example "anatomy".
        reference: key of the loaded image, default "image".

    Raises:
        InputError: missing, damaged, on another grid, or values that are no label ids.
    """

    def __init__(self, keys: KeysCollection, reference: str = "image") -> None:
        super().__init__(keys, allow_missing_keys=True)
        self.reference = reference

    def __call__(self, data: Mapping[Hashable, object]) -> dict[Hashable, object]:
        d = dict(data)
        for key in self.key_iterator(data):
            if d[key] is None:
                del d[key]
                continue
            path = Path(d[key]).expanduser()
            d[key] = read_volume(path)
            _check_grid(d[key], d[self.reference], f"The {key} map {path}")
            d[key] = self._checked(d[key], f"The {key} map {path}")
        return d

    def _checked(self, labels: MetaTensor, name: str) -> MetaTensor:
        check_labels(labels, name)
        return labels


class LoadMasksd(LoadLabelsd):
    """Load masks on the grid of an image that is loaded already: 1 where the file is above 0.

    Args:
        keys: keys that hold paths, for example "organ" and "lesion". Absent or None: left out.
        reference: key of the loaded image, default "image".

    Raises:
        InputError: missing, damaged, or on another grid.
    """

    def _checked(self, labels: MetaTensor, name: str) -> MetaTensor:
        return (labels > 0).to(torch.float32)


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


def _check_hu(image: MetaTensor, path: Path) -> None:
    """Refuse numbers that no CT in HU has; crops without air, padding and metal pass."""
    hu = image.numpy()
    if not np.isfinite(hu).all():
        raise InputError(f"{path} holds NaN or infinite values: replace them, for example by -1024.")
    low, high = float(hu.min()) + 0.0, float(hu.max()) + 0.0  # not -0
    if high - low < _MIN_RANGE_HU:
        raise InputError(f"{path} is not a CT in HU: its values lie between {low:g} and {high:g} only.")
    if max(-low, high) > _MAX_HU:
        raise InputError(f"{path} is not a CT in HU: its values reach from {low:g} to {high:g}.")
    # Fat, gas and noise are below 0 in any part of the body; stored pixels, pictures and MR start at 0.
    if hu.min(initial=np.inf, where=hu > _PADDING_HU) >= 0:
        raise InputError(
            f"{path} is not in HU: no value lies between {_PADDING_HU:g} and 0 (if these are stored "
            "CT pixels, apply the rescale slope and intercept first)."
        )


def check_labels(labels: MetaTensor, name: str) -> None:
    """Refuse numbers that are no label ids, warn of organs of unlikely size; `name` begins the sentence."""
    values = torch.unique(labels.as_tensor())
    allowed = (values >= 0) & (values < NUM_LABELS) & (values == values.round())
    if not allowed.all():
        wrong = float(values[~allowed][0])
        raise InputError(f"{name} holds the value {wrong:g}: use whole numbers from 0 to {NUM_LABELS - 1}.")
    warn_of_volumes(labels.numpy()[0], labels.affine.numpy(), name)


def _check_grid(labels: MetaTensor, image: MetaTensor, name: str) -> None:
    """Compare shapes, and the corners' positions, which shows rotations and shifts alike."""
    ours, theirs = tuple(labels.shape[1:]), tuple(image.shape[1:])
    if ours != theirs:
        raise InputError(f"{name} is on another grid: {ours} voxels, the image has {theirs}; resample it.")
    corners = np.array([(*corner, 1) for corner in product(*((0, n - 1) for n in ours))], dtype=float)
    to_image = np.linalg.inv(image.affine.numpy()) @ labels.affine.numpy()
    shift = np.abs(corners @ to_image.T - corners).max()
    if shift > _GRID_TOLERANCE:
        raise InputError(f"{name} is on another grid: it lies {shift:.3g} voxels off the image; resample it.")
