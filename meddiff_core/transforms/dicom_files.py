"""The files in a folder: which of them are slices of a CT in DICOM, and what the others are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom import Dataset
from pydicom.misc import is_dicom
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
    MediaStorageDirectoryStorage,
    SecondaryCaptureImageStorage,
)

from meddiff_core.errors import InputError, some_of
from meddiff_core.transforms.dicom_header import MODEL_NAME, OWN_RESULT

DESCRIPTION = ("Modality", "BodyPartExamined", "SeriesDescription")
"""What tells series apart and which part of the body they show; none of it identifies the patient."""

_READ = [
    *("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "ImageType", "Rows", "Columns", "NumberOfFrames"),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SamplesPerPixel", "InstanceNumber"),
    *("PhotometricInterpretation", "RescaleSlope", "RescaleIntercept", "RescaleType", "ModalityLUTSequence"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "ManufacturerModelName"),
    "SliceThickness",
    *DESCRIPTION,
]
_CT_CLASSES = (CTImageStorage, EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage)
_GREY = ("MONOCHROME1", "MONOCHROME2", "")
# Groups with which a file begins that lacks the 128 bytes and the mark "DICM": its own description, or the
# first attributes of the image.
_FIRST_GROUPS = (b"\x02\x00", b"\x08\x00")


@dataclass(frozen=True)
class Contents:
    """What lies directly in a folder.

    Args:
        slices: headers of the slices of a CT.
        left_out: names of everything else that is no hidden file, by what it is.
    """

    slices: list[Dataset]
    left_out: dict[str, list[str]]


def holds_dicom(folder: Path) -> bool:
    """Whether a DICOM image lies directly in `folder`; directories (DICOMDIR) and reports are none."""
    return images_in(folder, 1) > 0


def images_in(folder: Path, most: int) -> int:
    """How many DICOM images lie directly in `folder`; it stops counting at `most`.

    A frame of a multi-frame file counts as an image.
    """
    found = 0
    for path in filter(Path.is_file, sorted(folder.iterdir())):
        try:
            header = dicom_header(path)
            if header is not None and header.get("Rows"):
                found += int(header.get("NumberOfFrames") or 1)
        except (InputError, ValueError):  # loading it says what is wrong
            found += 1
        if found >= most:
            break
    return min(found, most)


def ct_header(folder: Path) -> Dataset | None:
    """Header of the first slice of a CT in a folder; None where it holds none.

    Raises:
        InputError: a header before it is damaged.
    """
    headers = (header for header in _headers(folder) if isinstance(header, Dataset))
    return next((header for header in headers if why_no_slice(header) is None), None)


def contents(folder: Path) -> Contents:
    """Sort the files of a folder.

    A derived series of this program counts as slices where the folder holds no others.

    Raises:
        InputError: a header is damaged, or a file has the name of a slice and holds none.
    """
    slices: list[Dataset] = []
    left_out: dict[str, list[str]] = {}
    for found in _headers(folder):
        reason = _kind(found) if isinstance(found, Path) else why_no_slice(found)
        if reason is None:
            slices.append(found)
        else:
            left_out.setdefault(reason, []).append(Path(getattr(found, "filename", found)).name)
    measured = [header for header in slices if header.get("ManufacturerModelName") != MODEL_NAME]
    if measured and len(measured) < len(slices):
        ours = (header for header in slices if header.get("ManufacturerModelName") == MODEL_NAME)
        left_out[OWN_RESULT] = [Path(header.filename).name for header in ours]
        slices = measured
    _check_names(slices, [*left_out.get("empty", ()), *left_out.get("no DICOM", ())], folder)
    return Contents(slices, left_out)


def _headers(folder: Path) -> Iterator[Dataset | Path]:
    """The header of each DICOM file by name, and the path of everything else that is not hidden."""
    for path in sorted(folder.iterdir()):
        header = dicom_header(path) if path.is_file() else None
        if header is not None:
            yield header
        elif not path.name.startswith("."):
            yield path


def dicom_header(path: Path) -> Dataset | None:
    """Header of a DICOM file, also of one without the mark that should begin it; None of any other file.

    Raises:
        InputError: it is damaged or cut short.
    """
    marked = is_dicom(path)
    if not (marked or _begins_like_dicom(path)):
        return None
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=_READ, force=True)
        header.filename = str(path)  # of a deflated file it may be a buffer
        cut_short = not header.get("Rows") and _is_cut_short(header)
    except Exception as error:  # whatever a damaged header makes of pydicom
        if not marked:
            return None
        raise InputError(f"{path} cannot be read: its DICOM header is damaged.") from error
    if not marked and "SOPClassUID" not in header:
        return None
    if cut_short:
        raise InputError(f"{path} cannot be read: its DICOM header is damaged or cut short.")
    return header


def _is_cut_short(header: Dataset) -> bool:
    """Whether a header without the size of an image ends too early, before or after it says what it is of."""
    said, own = header.file_meta.get("MediaStorageSOPClassUID"), header.get("SOPClassUID")
    if said in _CT_CLASSES or own in _CT_CLASSES:
        return True
    return said != MediaStorageDirectoryStorage and not (own and (said or own.type))


def _begins_like_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) in _FIRST_GROUPS


def why_no_slice(header: Dataset) -> str | None:
    """What a DICOM file is that is no slice of a CT; None if it is one."""
    if not header.get("Rows"):
        return "no image"
    modality = header.get("Modality") or "CT"
    if modality != "CT":
        return f"modality {modality}"
    if (header.get("SamplesPerPixel") or 1) > 1 or (
        header.get("PhotometricInterpretation") or ""
    ) not in _GREY:
        return "in colours"
    if "LOCALIZER" in (header.get("ImageType") or ()):
        return "localizer"
    capture = str(header.get("SOPClassUID", "")).startswith(SecondaryCaptureImageStorage)
    return "screen capture" if capture and "ImagePositionPatient" not in header else None


def _kind(path: Path) -> str:
    if path.is_dir():
        return "folder"
    return "no DICOM" if path.is_file() and path.stat().st_size else "empty"


def _check_names(slices: Sequence[Dataset], others: Sequence[str], folder: Path) -> None:
    """Refuse files that only differ from slices in the digits of their names: they were slices."""
    known = {_pattern(Path(header.filename).name) for header in slices}
    lost = [name for name in others if _pattern(name) in known]
    if lost:
        raise InputError(
            f"{folder} has lost slices, for these files are empty or no DICOM: {some_of(lost)}; get them "
            "again, or remove them to go on without."
        )


def _pattern(name: str) -> str:
    return re.sub(r"\d+", "0", name.lower())
