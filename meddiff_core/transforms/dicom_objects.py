"""DICOM segmentations and structure sets, which are not read as masks."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pydicom
from pydicom.misc import is_dicom

from meddiff_core.errors import InputError

_KINDS = {"SEG": "a DICOM segmentation (SEG)", "RTSTRUCT": "a DICOM structure set (RTSTRUCT)"}
# They are one file each; a folder of many files is a series of something else.
_LOOKED_AT = 8


def refuse_dicom_object(path: Path, name: str) -> None:
    """Raise `InputError`, which `name` begins, where a file or a folder holds such an object.

    Args:
        path: a file, or a folder of files or of folders of them.
    """
    for file in islice(_files(path), _LOOKED_AT):
        if not is_dicom(file):
            continue
        modality = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=["Modality"]).get("Modality")
        if modality in _KINDS:
            raise InputError(
                f"{name} is {_KINDS[modality]}, which is not read: open it with its scan in 3D Slicer and "
                "export what is meant as a label map in NIfTI or NRRD."
            )


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    elif path.is_dir():
        yield from (file for file in sorted(path.rglob("*")) if file.is_file())
