"""Read the voxels and the grid of one volume file."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from monai.data import ITKReader

from meddiff_core.errors import InputError
from meddiff_core.transforms.file_content import check_kind, check_mha, unzipped
from meddiff_core.transforms.scans import volume_suffix

# Of a header stays only what is used later: the rest may hold the patient's name, or cannot be batched.
_NIFTI_CODES = ("qform_code", "sform_code")
# Clinical CT has 0.1 to 10 mm, a specimen less; a factor of 1000 is a header in metres or micrometres.
_VOXEL_MM = (0.01, 100.0)
# Sine-like measure of how far the axes are from lying in a plane; a gantry tilts by 30 degrees at most.
_LEAST_VOLUME = 0.01
# Bytes that hold a header of NIfTI-1 or NIfTI-2.
_HEADER = 540


def read_file(path: Path) -> tuple[np.ndarray, np.ndarray, dict[str, int]]:
    """Voxels, affine and form codes of a file in NIfTI, NRRD or MHA.

    Args:
        path: the file; its suffix names the format. NIfTI is read whether it is compressed by gzip or not.

    Returns:
        float32 `(X, Y, Z)` or of more axes, the affine `(4, 4)` to RAS in mm, and of NIfTI the form codes.

    Raises:
        InputError: the file is damaged, of another kind, holds other than real numbers, or its affine is no
            grid of voxels.
    """
    read = _read_nifti if volume_suffix(path).startswith(".nii") else _read_itk
    try:
        array, affine, codes = read(path)
    except InputError:
        raise
    except UnicodeEncodeError as error:  # ITK's file names are UTF-8
        raise InputError(f"{path} has a name with bytes that are no UTF-8: rename it.") from error
    except Exception as error:  # readers raise whatever their format's library does
        raise InputError(f"{path} cannot be read: it is damaged, cut short or not a CT volume.") from error
    _check_affine(affine, path)
    return array, affine, codes


def nifti_image(path: Path) -> nib.Nifti1Image:
    """A NIfTI file, compressed or not, whose checksum is right.

    Raises:
        InputError: it is damaged or of another kind.
    """
    # Not by nibabel's path: it does not read on to the checksum at the end of the file.
    content = unzipped(path)
    check_kind(content, volume_suffix(path), path)
    kinds = (nib.Nifti1Image, nib.Nifti2Image)
    kind = next(kind for kind in kinds if kind.header_class.may_contain_header(content[:_HEADER]))
    image = kind.from_bytes(content)
    _check_length(len(content), image, path)
    return image


def _read_nifti(path: Path) -> tuple[np.ndarray, np.ndarray, dict[str, int]]:
    # Not by MONAI's reader: where forms and voxel size disagree it takes another affine than all others do.
    image = nifti_image(path)
    dtype = image.get_data_dtype()
    if dtype.fields:
        raise InputError(f"{path} holds colours: give the CT itself, not a picture of it.")
    if np.issubdtype(dtype, np.complexfloating):
        raise InputError(f"{path} holds complex numbers: give a CT in HU.")
    array = np.ascontiguousarray(np.asanyarray(image.dataobj), dtype=np.float32)
    codes = {key: int(image.header[key]) for key in _NIFTI_CODES if key in image.header}
    return array, np.asarray(image.affine, dtype=float), codes


def _check_length(size: int, image: nib.Nifti1Image, path: Path) -> None:
    """Refuse a header that tells of more or fewer slices than the file holds."""
    slice_bytes = int(np.prod(image.shape[:2])) * image.get_data_dtype().itemsize
    slices = int(np.prod(image.shape[2:]))
    held = (size - int(image.dataobj.offset)) / slice_bytes
    if held < slices or held >= slices + 1:
        raise InputError(
            f"{path} cannot be read: it holds {int(held)} slices, while its header says {slices}; get it "
            "again."
        )


def _read_itk(path: Path) -> tuple[np.ndarray, np.ndarray, dict[str, int]]:
    with path.open("rb") as file:
        check_kind(file.read(_HEADER), volume_suffix(path), path)
    reader = ITKReader()
    array, header = reader.get_data(reader.read(str(path)))
    if volume_suffix(path) == ".mha":
        check_mha(path, array.nbytes)
    return np.ascontiguousarray(array, dtype=np.float32), np.asarray(header["affine"], dtype=float), {}


def _check_affine(affine: np.ndarray, path: Path) -> None:
    axes = affine[:3, :3]
    spacing = np.linalg.norm(axes, axis=0)
    if not (np.isfinite(affine).all() and abs(np.linalg.det(axes)) > _LEAST_VOLUME * np.prod(spacing)):
        raise InputError(
            f"{path} has a broken affine (voxel size of zero, parallel axes or NaN): repair its header."
        )
    if spacing.min() < _VOXEL_MM[0] or spacing.max() > _VOXEL_MM[1]:
        size = " x ".join(f"{step:.3g}" for step in spacing)
        raise InputError(f"{path} has voxels of {size} mm: correct the voxel size in its header.")
