"""Read CTs and masks in RAS, bring them to the working spacing, write them."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from monai.data import ITKReader, MetaTensor, NibabelReader
from monai.transforms import Orientation, Spacing

from meddiff_core.errors import InputError
from meddiff_core.files import whole_file
from meddiff_core.transforms.load import LoadCTd
from meddiff_core.transforms.scans import volume_suffix

# Scanners pad with -2000 and less; interpolation would smear that into the body.
_AIR_HU = -1024
_TO_RAS = Orientation(axcodes="RAS", labels=None)
# Part of a voxel by which the corners of a mask may lie off its CT: affines are often stored with few digits.
_GRID_TOLERANCE = 0.1


def read_ct(path: Path) -> MetaTensor:
    """A CT in HU, `(1, X, Y, Z)` float32 in RAS. Raises `InputError` for anything that is none."""
    hu = LoadCTd("image")({"image": path})["image"]
    return _TO_RAS(hu).clamp(min=_AIR_HU)


def read_mask(path: Path, hu: MetaTensor) -> np.ndarray:
    """Values of a mask file `(X, Y, Z)`, on the grid of the CT.

    Args:
        path: NIfTI, NRRD or MHA file; its axes may be stored in another order or direction than the CT's.
        hu: the CT, from `read_ct`.

    Raises:
        InputError: the file cannot be read, or is on another grid.
    """
    reader = NibabelReader() if volume_suffix(path).startswith(".nii") else ITKReader()
    try:
        values, meta = reader.get_data(reader.read(path))
    except Exception as error:  # readers raise whatever their format's library does
        raise InputError(f"{path.name} cannot be read: it is damaged, cut short or no mask.") from error
    if values.ndim != 3:
        raise InputError(f"{path.name} has {values.ndim} dimensions: give a mask with three, like its CT.")
    mask = _TO_RAS(MetaTensor(values[None].astype(np.float32), affine=meta["affine"]))
    _check_grid(mask, hu, path.name)
    return mask[0].numpy()


def _check_grid(mask: MetaTensor, hu: MetaTensor, name: str) -> None:
    far = np.array(hu.shape[1:]) - 1
    corners = np.array([[*corner, 1] for corner in np.ndindex(2, 2, 2)]) * [*far, 1]
    shift = np.linalg.inv(hu.affine.numpy()) @ mask.affine.numpy() @ corners.T - corners.T
    if mask.shape != hu.shape or np.abs(shift).max() > _GRID_TOLERANCE:
        raise InputError(f"{name} is on another grid than its CT: resample it to the CT's.")


def resample(volume: MetaTensor, spacing: float | None, mode: str) -> MetaTensor:
    """`volume` `(1, X, Y, Z)` at isotropic `spacing` in mm; `None` leaves the grid alone.

    Args:
        volume: HU or labels.
        spacing: 1.0 in the paper.
        mode: `bilinear` for HU, `nearest` for labels.
    """
    if spacing is None:
        return volume
    return Spacing(pixdim=(spacing,) * 3, mode=mode, padding_mode="border", dtype=np.float32)(volume)


def write_volume(path: Path, array: np.ndarray, affine: np.ndarray) -> None:
    """Write a NIfTI `(X, Y, Z)`, whole or not at all."""
    image = nib.Nifti1Image(array, affine)
    image.header.set_xyzt_units("mm")
    image.set_qform(affine, code=1)
    image.set_sform(affine, code=1)
    with whole_file(path) as draft:
        nib.save(image, draft)
