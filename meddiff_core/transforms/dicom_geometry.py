"""Where the slices of a DICOM series lie, and whether they fill a regular grid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from pydicom import Dataset

from meddiff_core.errors import InputError

RAS_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""Turns RAS coordinates (NIfTI) into LPS (DICOM) and back."""

# The part of a voxel, and at least half of a header's last digit (0.1 mm), by which a slice may be off its
# place. The grid is fitted to all of them.
_TOLERANCE = 0.1
_ROUNDING_MM = 0.06
# Direction cosines are written with four digits and more; reformatted slices turn by more than this.
_DIRECTION_TOLERANCE = 1e-3
# Nearer slices are taken twice: copies, or phases.
_SAME_MM = 0.01
# A gap that is wider by half can only be a slice that is not there.
_MISSING = 1.5


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
    """

    path: str
    uid: str
    frame: int
    shape: tuple[int, int]
    spacing: tuple[float, float]
    orientation: np.ndarray
    position: np.ndarray


def slices_of(header: Dataset) -> Iterator[Slice]:
    """The slices in a file, from its header; several for a multi-frame file.

    Raises:
        InputError: the header does not say where a slice lies.
    """
    for frame in range(int(header.get("NumberOfFrames") or 1)):
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


def regular_grid(slices: Sequence[Slice], name: str) -> tuple[list[Slice], np.ndarray]:
    """Sort slices along their normal and fit a grid to them.

    Args:
        slices: in any order.
        name: begins the sentence of an error.

    Returns:
        The slices in the order of the grid's third axis, and its affine `(4, 4)`, RAS in mm, right-handed in
        LPS; the first axis goes along the columns' index, the second along the rows'.

    Raises:
        InputError: a single slice, slices that differ in size or direction, that are missing, double or
            unevenly spaced, or a tilted gantry.
    """
    _check_alike(slices, name)
    row, column = directions(*slices[0].orientation)
    normal = np.cross(row, column)
    slices = sorted(slices, key=lambda s: float(s.position @ normal))
    positions = np.stack([s.position for s in slices])
    step, start = _even_steps(positions, normal, name)
    in_plane = _straight_line(positions, normal, min(slices[0].spacing), name)
    between_rows, between_columns = slices[0].spacing
    lps = np.eye(4)
    lps[:3] = np.stack(
        [row * between_columns, column * between_rows, normal * step, in_plane + normal * start], axis=1
    )
    return slices, RAS_LPS @ lps


def directions(row: np.ndarray, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors at right angles, from what a header rounded."""
    row = row / np.linalg.norm(row)
    column = column - (column @ row) * row
    return row, column / np.linalg.norm(column)


def tolerance_mm(spacing: float) -> float:
    """By how many mm a slice may be off its place, for voxels of `spacing` mm."""
    return max(_ROUNDING_MM, _TOLERANCE * spacing)


def _check_alike(slices: Sequence[Slice], name: str) -> None:
    first = slices[0]
    if len(slices) == 1:
        raise InputError(f"{name} is a single slice: give a volume.")
    if min(first.spacing) <= 0:
        raise InputError(f"{name} has a pixel size of zero: repair PixelSpacing in its headers.")
    row, column = first.orientation
    lengths = np.linalg.norm(first.orientation, axis=1)
    if np.abs(lengths - 1).max() > 0.01 or abs(row @ column) > 0.01:
        raise InputError(
            f"{name} has image axes that are not at right angles: repair ImageOrientationPatient."
        )
    for other in slices:
        if other.shape != first.shape:
            sizes = (f"{s.shape[1]} x {s.shape[0]}" for s in (first, other))
            raise InputError(
                f"{name} mixes slices of {' and '.join(sizes)} pixels: give each its own folder."
            )
        if not np.allclose(other.spacing, first.spacing, rtol=_DIRECTION_TOLERANCE):
            sizes = (f"{s.spacing[1]:g}" for s in (first, other))
            raise InputError(f"{name} mixes pixels of {' and '.join(sizes)} mm: give each its own folder.")
        if not np.allclose(other.orientation, first.orientation, rtol=0, atol=_DIRECTION_TOLERANCE):
            raise InputError(
                f"{name} mixes slices of different directions, as localizers and reformatted views are: "
                "give each its own folder."
            )


def _even_steps(positions: np.ndarray, normal: np.ndarray, name: str) -> tuple[float, float]:
    """Distance of the slices and place of the first, along the normal, in mm."""
    depth = positions @ normal
    axis = int(np.abs(normal).argmax())  # what a person reads off a viewer

    def place(k: int) -> str:
        low, high = sorted(positions[k : k + 2, axis])
        return f"{'xyz'[axis]} = {low:.1f} and {high:.1f} mm"

    gaps = np.diff(depth)
    if gaps.min() < _SAME_MM:
        at = positions[int(gaps.argmin()), axis]
        double = int((gaps < _SAME_MM).sum())
        raise InputError(
            f"{name} holds several slices at the same place ({double} times, for example at "
            f"{'xyz'[axis]} = {at:.1f} mm): give each phase its own folder, and remove copies."
        )
    usual, widest = float(np.median(gaps)), int(gaps.argmax())
    if gaps[widest] > _MISSING * usual:
        raise InputError(
            f"{name} is incomplete: slices are missing between {place(widest)}, while the others are "
            f"{usual:.4g} mm apart; export it again."
        )
    step, start = np.polyfit(np.arange(len(depth)), depth, 1)
    if np.abs(start + step * np.arange(len(depth)) - depth).max() > tolerance_mm(step):
        raise InputError(
            f"{name} has uneven slices, {gaps.min():.4g} to {gaps.max():.4g} mm apart: resample it to even "
            "ones first."
        )
    return float(step), float(start)


def _straight_line(positions: np.ndarray, normal: np.ndarray, pixel: float, name: str) -> np.ndarray:
    """The part of the positions within the plane, LPS in mm, which has to be the same for all slices."""
    depth = positions @ normal
    in_plane = positions - np.outer(depth, normal)
    centre = in_plane.mean(axis=0)
    off = np.linalg.norm(in_plane - centre, axis=1)
    if off.max() > tolerance_mm(pixel):
        shift = np.linalg.norm(in_plane[-1] - in_plane[0])
        angle = np.degrees(np.arctan2(shift, depth[-1] - depth[0]))
        raise InputError(
            f"{name} has slices that are shifted against each other, as by a gantry tilt of {angle:.1f} "
            "degrees: straighten it first, for example with dcm2niix."
        )
    return centre
