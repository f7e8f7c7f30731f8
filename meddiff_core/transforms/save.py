"""Write results as NIfTI, or CTs as DICOM, on the grid they have."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping
from pathlib import Path

import nibabel as nib
import numpy as np
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from meddiff_core.errors import InputError, check_choice, check_flag
from meddiff_core.files import whole_file
from meddiff_core.transforms.results import DESCRIPTION_LENGTH, Results
from meddiff_core.transforms.save_dicom import save_series

logger = logging.getLogger("meddiff")

FORMATS = ("nifti", "dicom")
_HU_TYPE = "int16"


class SaveCTd(MapTransform):
    """Write `<stem>_<postfix>.nii.gz` with the shape, affine and NIfTI form codes of the tensor's meta.

    A volume that `Invertd` brought back to the input's grid is therefore written on exactly that grid. One of
    several results has a number in its name, see `result_name`. As DICOM, a CT becomes a folder
    `<stem>_<postfix>` with a file per slice, see `save_series`; masks and maps stay NIfTI, for they hold no
    HU. What is written appears whole or not at all. Not a `SaveImaged`: MONAI Label drops those from the
    postprocessing.

    Args:
        keys: MetaTensors `(1, X, Y, Z)` whose meta holds `filename_or_obj`, and the `region` whose HU window
            a DICOM viewer is to show first.
        results: where to write, and the record: it fills the descriptions in the headers and is written
            beside the result as `<stem>_<postfix>.json`.
        postfix: says what was done, in the file's name and in its description. Default "denoised".
        dtype: "int16" for HU (default), "uint8" for masks (both rounded and clipped), "float32" for maps.
        output_format: "nifti" (default) or "dicom".
        keep_identifiers: whether a DICOM series made from a DICOM series keeps the patient and the study;
            default False: it names nobody.

    Raises:
        InputError: an unknown format, a result that cannot be written or would replace the input.
        ValueError: NaN or infinite values in an integer result.
    """

    def __init__(
        self,
        keys: KeysCollection,
        results: Results,
        postfix: str = "denoised",
        dtype: str = "int16",
        output_format: str = "nifti",
        keep_identifiers: bool = False,
    ) -> None:
        super().__init__(keys)
        check_choice("output_format", output_format, FORMATS)
        self.results = results
        self.postfix = postfix
        self.dtype = dtype
        self.output_format = output_format
        self.keep_identifiers = check_flag("keep_identifiers", keep_identifiers)

    def __call__(self, data: Mapping[Hashable, MetaTensor]) -> dict[Hashable, MetaTensor]:
        d = dict(data)
        for key in self.key_iterator(d):
            meta = d[key].meta
            written = self._save(d[key], self.results.path(meta, self.postfix))
            self.results.write_record(self.results.path(meta, self.postfix, ".json"), meta)
            logger.info("Wrote %s", written)
        return d

    def _save(self, volume: MetaTensor, path: Path) -> str:
        """Write to `path`, and say what was written."""
        description = self.results.description(self.postfix, volume.meta)
        if self.output_format == "dicom" and self.dtype == _HU_TYPE:
            save_series(
                _as_type(volume, np.dtype(self.dtype), description),
                volume.affine.cpu().numpy(),
                path,
                source=Path(volume.meta["filename_or_obj"]),
                description=description,
                region=volume.meta.get("region"),
                keep_identifiers=self.keep_identifiers,
            )
            return f"{path}, a DICOM series"
        path = path.with_name(f"{path.name}.nii.gz")
        save_volume(volume, path, self.dtype, description)
        return str(path) + (", as masks and maps stay NIfTI" if self.output_format == "dicom" else "")


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
    affine = volume.affine.cpu().numpy()
    image = nib.Nifti1Image(_as_type(volume, dtype, description), affine)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = description[:DESCRIPTION_LENGTH].encode()
    codes = [int(volume.meta.get(key, 0)) for key in ("qform_code", "sform_code")]
    # Without a code readers disagree on where the volume lies; 1 is scanner coordinates.
    qform, sform = codes if any(codes) else (1, 1)
    image.set_qform(affine, code=qform)
    image.set_sform(affine, code=sform)
    return image


def _as_type(volume: MetaTensor, dtype: np.dtype, description: str) -> np.ndarray:
    """Voxels `(X, Y, Z)`; for integer types rounded and clipped."""
    array = volume.detach().cpu().numpy()[0]
    if np.issubdtype(dtype, np.integer):
        if not np.isfinite(array).all():
            raise ValueError(f"{description}: the volume holds NaN or infinite values")
        limits = np.iinfo(dtype)
        array = np.clip(np.rint(array), limits.min, limits.max)
    return array.astype(dtype)
