"""DICOM series in a folder: the one CT that it holds, and its volume."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom import Dataset

from meddiff_core.errors import InputError, listed
from meddiff_core.transforms.dicom_files import DESCRIPTION, contents, dicom_header, why_no_slice
from meddiff_core.transforms.dicom_geometry import regular_grid
from meddiff_core.transforms.dicom_pixels import check_units, read_hu
from meddiff_core.transforms.dicom_slice import Slice, frame_value, slices_of

logger = logging.getLogger("meddiff")


@dataclass(frozen=True)
class Series:
    """One CT series.

    Args:
        slices: in the order of the grid's third axis.
        affine: `(4, 4)` of the grid, RAS in mm.
        description: Modality, BodyPartExamined, SeriesDescription and SliceThickness, where they are filled.
        remarks: sentences that a user has to know: what is left out, what is taken for what.
    """

    slices: list[Slice]
    affine: np.ndarray
    description: dict[str, str]
    remarks: tuple[str, ...] = ()


def find_series(folder: Path) -> Series:
    """The one CT series in a folder, from the headers of its files.

    What is no slice of a CT (reports, presentations, localizers, screen captures, other modalities, other
    files) may lie beside it. Nothing that is returned names the patient, but for the names of files.

    Args:
        folder: the folder that holds the slices directly in it, a file each, or in one multi-frame file.

    Raises:
        InputError: no series, several, no CT, other units than HU, a damaged header, a file that has the name
            of a slice and holds none, or slices that fill no regular grid.
    """
    with _sound_values(folder):
        return _find_series(folder)


def read_series(folder: Path) -> tuple[np.ndarray, Series]:
    """Read the one CT series in a folder, and say what of the folder is left out.

    Returns:
        float32 `(X, Y, Z)` in HU, with the rescale slope and intercept of each slice applied and padding
        (PixelPaddingValue, PixelPaddingRangeLimit) as air; and the series.

    Raises:
        InputError: see `find_series`; or the pixels cannot be decoded.
    """
    series = find_series(folder)
    for remark in series.remarks:
        logger.warning(remark)
    return read_hu(series.slices), series


def read_slice(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read one file by itself.

    Returns:
        float32 `(X, Y)` in HU, padding as air; and the directions of these axes, `(2, 3)` in LPS.

    Raises:
        InputError: it is no slice of a CT in HU, or cannot be decoded.
    """
    with _sound_values(path):
        header = dicom_header(path)
        reason = "no DICOM" if header is None else why_no_slice(header)
        if reason:
            raise InputError(f"{path} is no slice of a CT ({reason}): remove it.")
        slices = list(slices_of(header))
        if len(slices) > 1:
            raise InputError(f"{path} holds {len(slices)} slices: convert it to a file for each.")
        check_units([header], slices, str(path))
        return read_hu(slices)[:, :, 0], slices[0].orientation


@contextmanager
def _sound_values(path: Path) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except (ValueError, TypeError, AttributeError) as error:  # pydicom converts a value when it is asked for
        raise InputError(f"{path} holds a DICOM header with damaged values: export it again.") from error


def _find_series(folder: Path) -> Series:
    found = contents(folder)
    headers, others = found.slices, listed(found.left_out)
    if not headers:
        raise InputError(
            f"{folder} holds no slices of a CT in DICOM, but {others or 'nothing'}: give the folder in which "
            "they lie."
        )
    series: dict[str, list[Dataset]] = {}
    for header in headers:
        series.setdefault(str(header.get("SeriesInstanceUID", "")), []).append(header)
    if len(series) > 1:
        named = ", ".join(_label(_describe(files[0]), len(files)) for files in series.values())
        raise InputError(f"{folder} holds {len(series)} DICOM series ({named}): give each its own folder.")
    if len(headers) > 1 and any(int(header.get("NumberOfFrames") or 1) > 1 for header in headers):
        raise InputError(f"{folder} holds {len(headers)} multi-frame files: give each its own folder.")
    slices = [one for header in headers for one in slices_of(header)]
    check_units(headers, slices, str(folder))
    ordered, affine, remark = regular_grid(slices, str(folder))
    remarks = [remark] if remark else []
    if others:
        count = sum(map(len, found.left_out.values()))
        remarks.append(f"{folder}: slices read: {len(slices)}, left out: {count}, namely {others}.")
    return Series(ordered, affine, _describe(headers[0]), tuple(remarks))


def _describe(header: Dataset) -> dict[str, str]:
    values = {keyword: str(header.get(keyword) or "") for keyword in DESCRIPTION}
    values["SliceThickness"] = str(frame_value(header, 0, "PixelMeasuresSequence", "SliceThickness") or "")
    return {keyword: value for keyword, value in values.items() if value}


def _label(description: dict[str, str], files: int) -> str:
    name = description.get("SeriesDescription") or description.get("Modality", "unnamed")
    return f"{name!r} with {files} slice{'s' if files != 1 else ''}"
