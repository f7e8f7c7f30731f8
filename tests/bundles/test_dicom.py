"""Bundles from DICOM series to DICOM series."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest

from meddiff_core.phantoms import make_phantom
from meddiff_core.transforms.load import LoadCTd

SHAPE, SPACING = (32, 32, 24), (10.0, 10.0, 12.0)


@pytest.fixture(scope="module")
def abdomen():
    return make_phantom("abdomen", SHAPE, SPACING, seed=1)


@pytest.fixture
def scan(tmp_path, abdomen, save_dicom):
    """Folder of a DICOM series as a scanner stores it: axial, first axis to the left."""
    affine = np.diag([-SPACING[0], -SPACING[1], SPACING[2], 1.0])
    affine[:3, 3] = (150, 140, -500)
    return save_dicom(tmp_path / "scan", abdomen.hu, affine, PatientID="0815", BodyPartExamined="ABDOMEN")


def read(folder):
    return LoadCTd()({"image": str(folder)})["image"]


def test_denoising(bundle, scan, tmp_path):
    options = {"image": str(scan), "output_dir": str(tmp_path), "noise_level": 20.0}
    bundle("ct_denoising", "inference.json", output_format="dicom", keep_identifiers=True, **options).run()
    bundle("ct_denoising", "inference.json", **options).run()
    series, nifti = read(tmp_path / "scan_denoised"), read(tmp_path / "scan_denoised.nii.gz")
    np.testing.assert_array_equal(series, nifti)
    np.testing.assert_allclose(series.affine, read(scan).affine, atol=1e-6)
    header = pydicom.dcmread(tmp_path / "scan_denoised" / "IM0001.dcm")
    assert (header.PatientID, header.WindowCenter, header.WindowWidth) == ("0815", 60, 360)
    assert "processed" in header.SeriesDescription


def test_super_resolution(bundle, scan, tmp_path):
    options = {"image": str(scan), "output_dir": str(tmp_path), "slice_thickness": 6.0}
    bundle("ct_super_resolution", "inference.json", output_format="dicom", **options).run()
    thin, thick = read(tmp_path / "scan_superres"), read(scan)
    assert thin.shape[1:] == (32, 32, 48)
    np.testing.assert_allclose(thin.affine[:3, 3], thick.affine[:3, 3] - thick.affine[:3, 2] / 4, atol=1e-6)
    means = thin.numpy().reshape(*thin.shape[:3], 24, 2).mean(axis=-1)
    assert np.abs(means - thick.numpy()).max() <= 1  # rounding


def test_synthesis(bundle, tmp_path, abdomen, save_nifti):
    anatomy = save_nifti(tmp_path / "map.nii.gz", np.uint8(abdomen.anatomy), abdomen.affine)
    options = {"anatomy": str(anatomy), "output_dir": str(tmp_path), "steps": 2, "region": "abdomen"}
    bundle("ct_synthesis", "inference.json", output_format="dicom", **options).run()
    header = pydicom.dcmread(tmp_path / "map_synthetic" / "IM0001.dcm")
    assert "synthetic" in header.SeriesDescription
    assert header.BodyPartExamined == "ABDOMEN"
    assert (tmp_path / "map_synthetic.json").is_file()


def test_masks_and_maps_stay_nifti(bundle, scan, tmp_path):
    options = {"image": str(scan), "output_dir": str(tmp_path / "out"), "samples": 1}
    bundle("ct_anomaly_detection", "inference.json", output_format="dicom", **options).run()
    assert {p.name for p in (tmp_path / "out").glob("*.nii.gz")} == {
        "scan_anomaly_map.nii.gz",
        "scan_anomaly_mask.nii.gz",
    }
    assert not [path for path in (tmp_path / "out").iterdir() if path.is_dir()]
