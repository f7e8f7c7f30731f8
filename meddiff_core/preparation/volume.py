"""Read CTs in RAS, bring volumes to the working spacing, write them."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from monai.data import MetaTensor
from monai.transforms import Orientation, Spacing

from meddiff_core.files import whole_file
from meddiff_core.transforms.load import LoadCTd

# Scanners pad with -2000 and less; interpolation would smear that into the body.
_AIR_HU = -1024
_TO_RAS = Orientation(axcodes="RAS", labels=None)


def read_ct(path: Path) -> MetaTensor:
    """A CT in HU, `(1, X, Y, Z)` float32 in RAS. Raises `InputError` for anything that is none."""
    hu = LoadCTd("image")({"image": path})["image"]
    return _TO_RAS(hu).clamp(min=_AIR_HU)


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
