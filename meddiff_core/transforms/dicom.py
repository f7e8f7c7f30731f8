"""DICOM series in a folder: which files make one, and the volume that they hold."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import itk
import numpy as np
import pydicom
from pydicom import Dataset
from pydicom.misc import is_dicom

from meddiff_core.errors import InputError
from meddiff_core.transforms.dicom_geometry import Slice, frame_value, regular_grid, slices_of

logger = logging.getLogger("meddiff")

# What tells series apart, which part of the body they show, and how thick a slab each slice is; none of it
# identifies the patient.
_DESCRIPTION = ("Modality", "BodyPartExamined", "SeriesDescription")
_READ = [
    *("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "ImageType", "Rows", "Columns", "NumberOfFrames"),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SamplesPerPixel", "RescaleSlope"),
    *("RescaleIntercept", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
    "SliceThickness",
    *_DESCRIPTION,
]


@dataclass(frozen=True)
class Series:
    """One CT series.

    Args:
        slices: in the order of the grid's third axis.
        affine: `(4, 4)` of the grid, RAS in mm.
        description: Modality, BodyPartExamined, SeriesDescription and SliceThickness, where they are filled.
    """

    slices: list[Slice]
    affine: np.ndarray
    description: dict[str, str]


def holds_dicom(folder: Path) -> bool:
    """Whether a DICOM image lies directly in `folder`; directories (DICOMDIR) and reports are none."""
    try:
        return any(_is_image(header) for header in _headers(folder))
    except InputError:  # loading it says what is wrong
        return True


def find_series(folder: Path) -> Series:
    """The one CT series in a folder, from the headers of its files.

    What is no slice of a CT (reports, presentations, localizers, screen captures, other modalities) may lie
    beside it. Nothing that is returned names the patient.

    Args:
        folder: the folder that holds the slices directly in it, a file each, or in one multi-frame file.

    Raises:
        InputError: no series, several, no CT, a damaged header, or slices that fill no regular grid.
    """
    try:
        return _find_series(folder)
    except InputError:
        raise
    except (ValueError, TypeError, AttributeError) as error:  # pydicom converts a value when it is asked for
        raise InputError(f"{folder} holds a DICOM header with damaged values: export it again.") from error


def _find_series(folder: Path) -> Series:
    headers = list(_headers(folder))
    slices = _ct_slices(headers, folder)
    series: dict[str, list[Dataset]] = {}
    for header in slices:
        series.setdefault(str(header.get("SeriesInstanceUID", "")), []).append(header)
    if len(series) > 1:
        found = ", ".join(_label(_describe(files[0]), len(files)) for files in series.values())
        raise InputError(f"{folder} holds {len(series)} DICOM series ({found}): give each its own folder.")
    if len(slices) < len(headers):
        logger.info("%s: left out %d files that are no slices of a CT.", folder, len(headers) - len(slices))
    _check_frames(slices, folder)
    ordered, affine = regular_grid([s for header in slices for s in slices_of(header)], str(folder))
    return Series(ordered, affine, _describe(slices[0]))


def read_series(folder: Path) -> tuple[np.ndarray, Series]:
    """Read the one CT series in a folder.

    Returns:
        float32 `(X, Y, Z)` in HU, with the rescale slope and intercept of each slice applied; and the series.

    Raises:
        InputError: see `find_series`; or the pixels cannot be decoded.
    """
    series = find_series(folder)
    files = [s.path for s in series.slices]
    multi_frame = len(set(files)) < len(files)
    try:
        # As float: by default the first slice's type is everyone's, which cuts off fractions of HU.
        image = itk.imread(files[0] if multi_frame else files, itk.F)
    except RuntimeError as error:
        syntax = pydicom.dcmread(files[0], stop_before_pixels=True).file_meta.get("TransferSyntaxUID")
        compressed = syntax is not None and syntax.is_compressed
        hint = f" or compressed as {syntax.name}, which cannot be decoded" if compressed else ""
        raise InputError(f"{folder} cannot be read: a file of it is damaged{hint}.") from error
    array = itk.array_view_from_image(image).T
    if multi_frame:
        array = array[:, :, [s.frame for s in series.slices]]
    return np.ascontiguousarray(array, dtype=np.float32), series


def _headers(folder: Path) -> Iterator[Dataset]:
    for path in sorted(folder.iterdir()):
        if not path.is_file() or not is_dicom(path):
            continue
        try:
            yield pydicom.dcmread(path, stop_before_pixels=True, specific_tags=_READ)
        except Exception as error:  # whatever a damaged header makes of pydicom
            raise InputError(f"{path} cannot be read: its DICOM header is damaged.") from error


def _is_image(header: Dataset) -> bool:
    return bool(header.get("Rows"))


def _ct_slices(headers: Sequence[Dataset], folder: Path) -> list[Dataset]:
    images = [header for header in headers if _is_image(header)]
    if not images:
        raise InputError(f"{folder} holds no DICOM series: give the folder in which the slices lie.")
    ct = [header for header in images if (header.get("Modality") or "CT") == "CT"]
    if not ct:
        raise InputError(
            f"{folder} holds a DICOM series of modality {images[0].Modality}: only CT can be used."
        )
    slices = [header for header in ct if not _is_picture(header)]
    if not slices:
        raise InputError(f"{folder} holds only localizers or screen captures: give the folder of the slices.")
    return slices


def _is_picture(header: Dataset) -> bool:
    """Localizers, and screens such as the dose report, which come with the modality CT as well."""
    colour = (header.get("SamplesPerPixel") or 1) > 1
    localizer = "LOCALIZER" in (header.get("ImageType") or ())
    capture = str(header.get("SOPClassUID", "")).startswith(pydicom.uid.SecondaryCaptureImageStorage)
    return colour or localizer or (capture and "ImagePositionPatient" not in header)


def _check_frames(headers: Sequence[Dataset], folder: Path) -> None:
    """Refuse of multi-frame files what cannot be read right."""
    frames = [int(header.get("NumberOfFrames") or 1) for header in headers]
    if max(frames) == 1:
        return
    if len(headers) > 1:
        raise InputError(f"{folder} holds {len(headers)} multi-frame files: give each its own folder.")
    scales = {
        tuple(
            frame_value(headers[0], frame, "PixelValueTransformationSequence", keyword)
            for keyword in ("RescaleSlope", "RescaleIntercept")
        )
        for frame in range(frames[0])
    }
    if len(scales) > 1:  # ITK applies the first one to all
        raise InputError(
            f"{headers[0].filename} scales its frames differently: convert it to a file per slice first."
        )


def _describe(header: Dataset) -> dict[str, str]:
    values = {keyword: str(header.get(keyword) or "") for keyword in _DESCRIPTION}
    thickness = frame_value(header, 0, "PixelMeasuresSequence", "SliceThickness")
    values["SliceThickness"] = str(thickness or "")
    return {keyword: value for keyword, value in values.items() if value}


def _label(description: dict[str, str], files: int) -> str:
    name = description.get("SeriesDescription") or description.get("Modality", "unnamed")
    return f"{name!r} with {files} slice{'s' if files != 1 else ''}"
