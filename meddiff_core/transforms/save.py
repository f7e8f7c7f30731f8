"""Write results as NIfTI on the grid they have."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping
from pathlib import Path

import nibabel as nib
import numpy as np
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from meddiff_core.errors import InputError
from meddiff_core.files import whole_file
from meddiff_core.transforms.scans import result_name

logger = logging.getLogger("meddiff")

# NIfTI-1 holds 79 characters and a zero.
_DESCRIPTION_LENGTH = 79


class SaveCTd(MapTransform):
    """Write `<stem>_<postfix>.nii.gz` with the shape, affine and NIfTI form codes of the tensor's meta.

    A volume that `Invertd` brought back to the input's grid is therefore written on exactly that grid. One of
    several results has a number in its name, see `result_name`. The file appears whole or not at all. Not a
    `SaveImaged`: MONAI Label drops those from the postprocessing.

    Args:
        keys: MetaTensors `(1, X, Y, Z)` whose meta holds `filename_or_obj`, default "pred".
        output_dir: folder to write to; made if absent.
        postfix: says what was done, in the file's name and in its NIfTI description. Default "denoised".
        dtype: "int16" for HU (default), "uint8" for masks (both rounded and clipped), "float32" for maps.

    Raises:
        InputError: the file cannot be written, or would replace the input.
        ValueError: NaN or infinite values in an integer result.
    """

    def __init__(
        self,
        keys: KeysCollection = "pred",
        output_dir: str | Path = "out",
        postfix: str = "denoised",
        dtype: str = "int16",
    ) -> None:
        super().__init__(keys)
        self.output_dir = Path(output_dir).expanduser()
        self.postfix = postfix
        self.dtype = dtype

    def __call__(self, data: Mapping[Hashable, MetaTensor]) -> dict[Hashable, MetaTensor]:
        d = dict(data)
        for key in self.key_iterator(d):
            path = self.output_dir / f"{result_name(d[key].meta, self.postfix)}.nii.gz"
            save_volume(d[key], path, self.dtype, f"MedDiff-FM {self.postfix}, research use only")
            logger.info("Wrote %s", path)
        return d


def save_volume(volume: MetaTensor, path: Path, dtype: str | np.dtype, description: str) -> None:
    """Write one volume as NIfTI, with the affine and form codes of its meta; the file appears whole or not.

    Args:
        volume: `(1, X, Y, Z)`; its meta holds `filename_or_obj`, which is never overwritten.
        path: the `.nii.gz` file.
        dtype: integer types are rounded and clipped.
        description: for the NIfTI header, of which the first 79 characters are kept.

    Raises:
        InputError: the file cannot be written, or would replace the input.
        ValueError: NaN or infinite values in an integer result.
    """
    source = Path(volume.meta["filename_or_obj"])
    if path.exists() and source.exists() and path.samefile(source):
        raise InputError(f"{path} is the input itself: choose another output folder or name.")
    image = _nifti(volume, np.dtype(dtype), description)
    with whole_file(path) as draft:
        nib.save(image, draft)


def _nifti(volume: MetaTensor, dtype: np.dtype, description: str) -> nib.Nifti1Image:
    array = volume.detach().cpu().numpy()[0]
    affine = volume.affine.cpu().numpy()
    if np.issubdtype(dtype, np.integer):
        if not np.isfinite(array).all():
            raise ValueError(f"{description}: the volume holds NaN or infinite values")
        limits = np.iinfo(dtype)
        array = np.clip(np.rint(array), limits.min, limits.max)
    image = nib.Nifti1Image(array.astype(dtype), affine)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = description[:_DESCRIPTION_LENGTH].encode()
    codes = [int(volume.meta.get(key, 0)) for key in ("qform_code", "sform_code")]
    # Without a code readers disagree on where the volume lies; 1 is scanner coordinates.
    qform, sform = codes if any(codes) else (1, 1)
    image.set_qform(affine, code=qform)
    image.set_sform(affine, code=sform)
    return image
