"""One slice of a DICOM series: where its header says that it lies, and how its numbers become HU."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from pydicom import Dataset

from meddiff_core.errors import InputError


@dataclass(frozen=True)
class Slice:
    """One slice of a series.

    Args:
        path: its file.
        uid: SOPInstanceUID of the file.
        frame: its index in the file, 0 but in a multi-frame file.
        shape: rows and columns.
        spacing: between rows and between columns in mm.
        orientation: `(2, 3)` directions in LPS in which the column index and the row index grow.
        position: `(3,)` centre of the first pixel, LPS in mm.
        number: InstanceNumber; None in a multi-frame file, or where it is not filled.
        rescale: slope and intercept that turn stored numbers into HU; None where the header lacks one.
    """

    path: str
    uid: str
    frame: int
    shape: tuple[int, int]
    spacing: tuple[float, float]
    orientation: np.ndarray
    position: np.ndarray
    number: int | None = None
    rescale: tuple[float, float] | None = None


def slices_of(header: Dataset) -> Iterator[Slice]:
    """The slices in a file, from its header; several for a multi-frame file.

    Raises:
        InputError: the header does not say where a slice lies.
    """
    frames = int(header.get("NumberOfFrames") or 1)
    number = header.get("InstanceNumber") if frames == 1 else None
    for frame in range(frames):
        position = frame_value(header, frame, "PlanePositionSequence", "ImagePositionPatient")
        orientation = frame_value(header, frame, "PlaneOrientationSequence", "ImageOrientationPatient")
        spacing = frame_value(header, frame, "PixelMeasuresSequence", "PixelSpacing")
        values = [np.atleast_1d(np.array(v or (), float)) for v in (position, orientation, spacing)]
        if [v.size for v in values] != [3, 6, 2] or not all(np.isfinite(v).all() for v in values):
            raise InputError(
                f"{header.filename} does not say where its image lies (ImagePositionPatient, "
                "ImageOrientationPatient, PixelSpacing): convert it with a tool that knows, and give NIfTI."
            )
        yield Slice(
            str(header.filename),
            str(header.get("SOPInstanceUID", "")),
            frame,
            (int(header.Rows), int(header.Columns)),
            (float(values[2][0]), float(values[2][1])),
            values[1].reshape(2, 3),
            values[0],
            None if number in (None, "") else int(number),
            _rescale(header, frame),
        )


def frame_value(header: Dataset, frame: int, group: str, keyword: str) -> object | None:
    """An attribute of one frame: from its functional groups, from the shared ones, or of the file itself."""
    own = list(header.get("PerFrameFunctionalGroupsSequence") or ())[frame : frame + 1]
    shared = list(header.get("SharedFunctionalGroupsSequence") or ())[:1]
    for groups in own + shared:
        for item in groups.get(group) or ():
            if item.get(keyword) is not None:
                return item.get(keyword)
    return header.get(keyword)


def _rescale(header: Dataset, frame: int) -> tuple[float, float] | None:
    keywords = ("RescaleSlope", "RescaleIntercept")
    values = [frame_value(header, frame, "PixelValueTransformationSequence", word) for word in keywords]
    if any(value in (None, "") for value in values):
        return None
    return float(values[0]), float(values[1])
