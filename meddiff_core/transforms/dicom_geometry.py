"""Where the slices of a DICOM series lie, and whether they fill a regular grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from meddiff_core.errors import InputError
from meddiff_core.transforms.dicom_slice import Slice

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
# How far a straight line through positions that are rounded to whole mm may be off them.
_ROUNDED_MM = 0.6
# A gap that is wider by half can only be a slice that is not there.
_MISSING = 1.5


def regular_grid(slices: Sequence[Slice], name: str) -> tuple[list[Slice], np.ndarray, str]:
    """Sort slices along their normal and fit a grid to them.

    Args:
        slices: in any order.
        name: begins the sentence of an error.

    Returns:
        The slices in the order of the grid's third axis; its affine `(4, 4)`, RAS in mm, right-handed in LPS,
        whose first axis goes along the columns' index and the second along the rows'; and a sentence where
        the positions had to be interpreted, else an empty one.

    Raises:
        InputError: a single slice, slices that differ in size or direction, that are missing, double or
            unevenly spaced, or a tilted gantry.
    """
    _check_alike(slices, name)
    row, column = directions(*slices[0].orientation)
    normal = np.cross(row, column)
    slices = sorted(slices, key=lambda s: float(s.position @ normal))
    positions = np.stack([s.position for s in slices])
    numbers = [s.number for s in slices]
    step, start, remark = _even_steps(positions, numbers, normal, name)
    in_plane = _straight_line(positions, normal, min(slices[0].spacing), name)
    between_rows, between_columns = slices[0].spacing
    lps = np.eye(4)
    lps[:3] = np.stack(
        [row * between_columns, column * between_rows, normal * step, in_plane + normal * start], axis=1
    )
    return slices, RAS_LPS @ lps, remark


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


def _even_steps(
    positions: np.ndarray, numbers: Sequence[int | None], normal: np.ndarray, name: str
) -> tuple[float, float, str]:
    """Distance of the slices and place of the first along the normal in mm, and a sentence on how."""
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
    step, start = (float(value) for value in np.polyfit(np.arange(len(depth)), depth, 1))
    off = np.abs(start + step * np.arange(len(depth)) - depth).max()
    if off <= tolerance_mm(step):
        return step, start, ""
    # One slice that is not there makes one gap that is unlike the others; rounding makes many.
    rounded = (
        np.abs(positions - np.rint(positions)).max() < _SAME_MM
        and gaps[widest] <= step + np.abs(normal).sum() + _SAME_MM
        and (np.abs(gaps - usual) > _SAME_MM).sum() > 1
    )
    if rounded and off <= _ROUNDED_MM * np.abs(normal).sum() and _count_on(numbers):
        remark = (
            f"{name}: the positions of the slices are rounded to whole mm, {step:.4g} mm apart on average."
        )
        return step, start, remark
    if rounded:
        raise InputError(
            f"{name} has slices {gaps.min():.4g} to {gaps.max():.4g} mm apart: their positions are rounded "
            "to whole mm, or slices are missing, and no running InstanceNumber tells which; export it again."
        )
    if gaps[widest] > _MISSING * usual:
        raise InputError(
            f"{name} is incomplete: slices are missing between {place(widest)}, while the others are "
            f"{usual:.4g} mm apart; export it again."
        )
    raise InputError(
        f"{name} has uneven slices, {gaps.min():.4g} to {gaps.max():.4g} mm apart: resample it to even "
        "ones first."
    )


def _count_on(numbers: Sequence[int | None]) -> bool:
    """Whether slices are numbered one after the other, so that none is missing between them."""
    steps = {None} if None in numbers else set(np.diff(numbers).tolist())
    return steps in ({1}, {-1})


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
