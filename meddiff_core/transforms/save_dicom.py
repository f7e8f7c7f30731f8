"""Write a CT as a derived DICOM series."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
from nibabel.affines import voxel_sizes
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from meddiff_core.errors import InputError
from meddiff_core.files import whole_folder
from meddiff_core.transforms.dicom import Series, find_series
from meddiff_core.transforms.dicom_files import holds_dicom
from meddiff_core.transforms.dicom_geometry import RAS_LPS, directions, tolerance_mm
from meddiff_core.transforms.dicom_header import common_header, decimals, new_file

_FILE = re.compile(r"IM\d{4,}\.dcm")


def save_series(
    hu: np.ndarray,
    affine: np.ndarray,
    folder: Path,
    source: Path,
    description: str,
    region: str | None = None,
    keep_identifiers: bool = False,
) -> None:
    """Write one file per slice to a folder, which appears whole or not at all.

    The slices lie where the affine says. What comes from a DICOM series keeps its axes; anything else is
    turned, by flips and swaps of axes, to axial slices as they are shown: patient's left on the right side.

    Args:
        hu: int16 `(X, Y, Z)`.
        affine: `(4, 4)` voxel to world, RAS in mm.
        folder: where to write; an older series of ours in it is replaced.
        source: what the CT was computed from. Of a DICOM folder the body part, position and tube voltage are
            kept.
        description: says what it is; the word "synthetic" in it marks the series as synthetic data.
        region: whose HU window is the one to be shown first; None leaves it to the viewer.
        keep_identifiers: True makes the result a series of the source's own study, with its patient, frame of
            reference and references to its slices. False (default) starts a new study of "ANONYMOUS".

    Raises:
        InputError: the folder cannot be written, holds something else, or the grid is sheared.
    """
    series = find_series(source) if source.is_dir() and holds_dicom(source) else None
    _check_target(folder, source)
    if series is None:
        hu, affine = _axial(hu, affine)
    hu, row, column, step, first, spacing = _dicom_grid(hu, affine, folder)
    header = Dataset()
    if series:
        header = pydicom.dcmread(series.slices[0].path, stop_before_pixels=True, force=True)
    common = common_header(header, description, region, bool(series) and keep_identifiers)
    common.ImageOrientationPatient = decimals(*row, *column)
    common.PixelSpacing = decimals(spacing[1], spacing[0])
    common.SpacingBetweenSlices = common.SliceThickness = decimals(spacing[2])[0]
    if series and abs(_distance(series) - spacing[2]) < tolerance_mm(spacing[2]):
        common.SliceThickness = header.get("SliceThickness") or common.SliceThickness
    positions = first + np.outer(np.arange(hu.shape[2]), step)
    references = _references(series, positions, header.SOPClassUID) if series and keep_identifiers else None
    with whole_folder(folder) as draft:
        for k, position in enumerate(positions):
            ds = _slice(common, hu[:, :, k].T, position, k + 1)
            if references:
                ds.SourceImageSequence = [references[k]]
            ds.save_as(draft / f"IM{k + 1:04d}.dcm")


def _check_target(folder: Path, source: Path) -> None:
    if folder.exists() and source.exists() and folder.samefile(source):
        raise InputError(f"{folder} is the input itself: choose another output folder or name.")
    if folder.is_dir() and not all(_FILE.fullmatch(path.name) for path in folder.iterdir()):
        raise InputError(f"{folder} holds other files: remove them or choose another output folder.")


def _axial(hu: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn the axes to left, posterior, superior, as near as they get."""
    axes = nib.orientations
    turn = axes.ornt_transform(nib.io_orientation(affine), axes.axcodes2ornt("LPS"))
    return nib.apply_orientation(hu, turn), affine @ axes.inv_ornt_aff(turn, hu.shape)


def _dicom_grid(hu: np.ndarray, affine: np.ndarray, folder: Path) -> tuple[np.ndarray, ...]:
    """Voxels, directions of rows and columns, step between slices, first position, spacing; LPS in mm."""
    lps = RAS_LPS @ affine
    spacing = voxel_sizes(lps)
    row, column = directions(lps[:3, 0], lps[:3, 1])
    normal = np.cross(row, column)
    first, step = lps[:3, 3], lps[:3, 2]
    if step @ normal < 0:  # slices are numbered along the normal
        hu, first, step = hu[:, :, ::-1], first + (hu.shape[2] - 1) * step, -step
    straight = np.stack([row, column, normal], axis=1) * spacing
    off = np.linalg.norm(straight - np.column_stack([lps[:3, :2], step]), axis=0) * (np.array(hu.shape) - 1)
    if off.max() > tolerance_mm(spacing.min()):
        raise InputError(
            f"{folder} cannot be written: the axes of the grid are not at right angles, which DICOM slices "
            "cannot hold; use output_format=nifti."
        )
    return hu, row, column, straight[:, 2], first, spacing


def _slice(common: Dataset, pixels: np.ndarray, position: np.ndarray, number: int) -> FileDataset:
    ds = copy.deepcopy(common)
    ds.SOPInstanceUID = generate_uid()
    ds.InstanceNumber = number
    ds.ImagePositionPatient = decimals(*position)
    ds.Rows, ds.Columns = pixels.shape
    ds.PixelData = np.ascontiguousarray(pixels, dtype="<i2").tobytes()
    return new_file(ds, ExplicitVRLittleEndian)


def _references(series: Series, positions: np.ndarray, sop_class: str) -> list[Dataset]:
    """For each slice's position a reference to the nearest slice of the source."""
    normal = np.cross(*directions(*series.slices[0].orientation))
    depths = np.array([s.position @ normal for s in series.slices])
    multi_frame = len({s.path for s in series.slices}) < len(series.slices)
    items = []
    for depth in positions @ normal:
        source = series.slices[int(np.abs(depths - depth).argmin())]
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, source.uid
        if multi_frame:
            item.ReferencedFrameNumber = source.frame + 1
        items.append(item)
    return items


def _distance(series: Series) -> float:
    return float(np.linalg.norm(series.affine[:3, 2]))
