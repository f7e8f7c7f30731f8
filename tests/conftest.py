"""Small CTs in every file format, as fixtures; and messages that every test can hear."""

from __future__ import annotations

import logging
from pathlib import Path

import itk
import nibabel as nib
import numpy as np
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset, validate_file_meta
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid


@pytest.fixture(autouse=True)
def audible() -> None:
    """A bundle's logging.conf or a tool that a test runs keeps our messages from the tests' handlers."""
    logging.disable(logging.NOTSET)
    logger = logging.getLogger("meddiff")
    logger.propagate, logger.disabled = True, False
    logger.setLevel(logging.NOTSET)


def _rotation(degrees: float) -> np.ndarray:
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def _affine(directions: np.ndarray, spacing=(1.5, 0.75, 2.5), origin=(-80.25, 31.5, -412.125)) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = directions @ np.diag(spacing)
    affine[:3, 3] = origin
    return affine


@pytest.fixture(params=["ras", "lps", "flipped", "oblique", "permuted"])
def affine(request) -> np.ndarray:
    """RAS affines (mm) of the ways in which scans are stored."""
    directions = {
        "ras": np.eye(3),
        "lps": np.diag([-1.0, -1.0, 1.0]),
        "flipped": np.diag([1.0, -1.0, -1.0]),
        "oblique": _rotation(17) @ np.diag([-1.0, -1.0, 1.0]),
        "permuted": np.array([[0, 0, -1.0], [-1, 0, 0], [0, 1, 0]]),  # coronal acquisition
    }
    return _affine(directions[request.param])


@pytest.fixture
def hu() -> np.ndarray:
    """int16 `(20, 24, 16)` in HU, every voxel different from its neighbours."""
    return np.random.default_rng(0).integers(-1000, 1500, (20, 24, 16)).astype(np.int16)


@pytest.fixture
def save_nifti():
    """save_nifti(path, array, affine=identity) -> path."""

    def save(path: Path, array: np.ndarray, affine: np.ndarray | None = None) -> Path:
        nib.save(nib.Nifti1Image(array, np.eye(4) if affine is None else affine), path)
        return path

    return save


@pytest.fixture
def save_itk():
    """save_itk(path, array, affine) -> path; NRRD or MHA by the suffix."""

    def save(path: Path, array: np.ndarray, affine: np.ndarray) -> Path:
        lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
        spacing = nib.affines.voxel_sizes(lps)
        image = itk.image_from_array(np.ascontiguousarray(array.T))
        image.SetSpacing(spacing.tolist())
        image.SetOrigin(lps[:3, 3].tolist())
        image.SetDirection(itk.matrix_from_array(lps[:3, :3] / spacing))
        itk.imwrite(image, str(path))
        return path

    return save


@pytest.fixture
def save_dicom():
    """save_dicom(folder, array, affine, **attributes) -> folder; one series, a file per slice."""

    def save(folder: Path, array: np.ndarray, affine: np.ndarray, **attributes) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
        spacing = nib.affines.voxel_sizes(lps)
        directions = lps[:3, :3] / spacing
        series = {
            "SeriesInstanceUID": generate_uid(),
            "Modality": "CT",
            "PatientName": "Doe^Jane",
        } | attributes
        for k in range(array.shape[2]):
            path = folder / f"{series['SeriesInstanceUID'][-6:]}_{k:03d}.dcm"
            position = lps[:3, 3] + k * lps[:3, 2]
            _slice(array[:, :, k].T, directions, spacing, position, k, series).save_as(path)
        return folder

    return save


def _slice(pixels, directions, spacing, position, number, attributes) -> FileDataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.FileMetaInformationGroupLength = ExplicitVRLittleEndian, 0
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
    validate_file_meta(meta)
    ds = FileDataset(
        None, {}, preamble=bytes(128), file_meta=meta, is_implicit_VR=False, is_little_endian=True
    )
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    ds.StudyInstanceUID = ds.FrameOfReferenceUID = "1.2.826.0.1.3680043.8.498.1"
    ds.InstanceNumber = number + 1
    ds.ImagePositionPatient = [f"{v:.9g}" for v in position]
    ds.ImageOrientationPatient = [f"{v:.12g}"[:16] for v in (*directions[:, 0], *directions[:, 1])]
    ds.PixelSpacing = [float(spacing[1]), float(spacing[0])]
    ds.SliceThickness = float(spacing[2])
    ds.Rows, ds.Columns = pixels.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
    ds.RescaleSlope, ds.RescaleIntercept = 1, -1024
    ds.PixelData = (pixels.astype(np.int32) + 1024).astype(np.uint16).tobytes()
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds
