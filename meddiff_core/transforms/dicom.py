"""What a folder of DICOM files holds, before its pixels are read."""

from __future__ import annotations

from pathlib import Path

import itk
import pydicom
from pydicom.misc import is_dicom

from meddiff_core.errors import InputError

# What tells series apart and which part of the body they show; none of it identifies the patient.
_DESCRIPTION = ("Modality", "BodyPartExamined", "SeriesDescription")


def holds_dicom(folder: Path) -> bool:
    """Whether a DICOM file lies directly in `folder`."""
    return any(path.is_file() and is_dicom(path) for path in sorted(folder.iterdir()))


def series_description(folder: Path) -> dict[str, str]:
    """Describe the one CT series in a folder by those of its DICOM keywords that name no patient.

    Args:
        folder: the folder that holds the slices, one file each, directly in it.

    Returns:
        Modality, BodyPartExamined and SeriesDescription, where they are filled.

    Raises:
        InputError: no series, several series, or a modality other than CT.
    """
    # Set up as monai.data.ITKReader does, so that both see the same series.
    names = itk.GDCMSeriesFileNames.New()
    names.SetUseSeriesDetails(True)
    names.AddSeriesRestriction("0008|0021")
    names.SetDirectory(str(folder))
    series = [names.GetFileNames(uid) for uid in names.GetSeriesUIDs()]
    if not series:
        raise InputError(f"{folder} holds no DICOM series: give the folder in which the slices lie.")
    descriptions = [_describe(files[0]) for files in series]
    if len(series) > 1:
        found = ", ".join(_label(d, len(files)) for d, files in zip(descriptions, series, strict=True))
        raise InputError(f"{folder} holds {len(series)} DICOM series ({found}): give each its own folder.")
    modality = descriptions[0].get("Modality", "CT")
    if modality != "CT":
        raise InputError(f"{folder} holds a DICOM series of modality {modality}: only CT can be used.")
    return descriptions[0]


def _describe(path: str) -> dict[str, str]:
    header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(_DESCRIPTION))
    values = {keyword: str(header.get(keyword) or "") for keyword in _DESCRIPTION}
    return {keyword: value for keyword, value in values.items() if value}


def _label(description: dict[str, str], slices: int) -> str:
    name = description.get("SeriesDescription") or description.get("Modality", "unnamed")
    return f"{name!r} with {slices} slice{'s' if slices != 1 else ''}"
