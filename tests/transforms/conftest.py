"""A DICOM series as scanners store it."""

from __future__ import annotations

import pytest
from dicom_series import AFFINE


@pytest.fixture
def series(tmp_path, hu, save_dicom):
    """Folder with 16 slices, 2.5 mm apart, of the HU in `hu`."""
    return save_dicom(tmp_path / "series", hu, AFFINE, SeriesDescription="Thorax")
