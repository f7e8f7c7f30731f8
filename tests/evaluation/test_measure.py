"""PSNR and SSIM of scans, as the command prints them."""

from __future__ import annotations

import numpy as np
import pytest

from meddiff_core.errors import InputError
from meddiff_core.evaluation.measure import measure


def test_a_noisier_scan_has_a_lower_score_and_another_grid_is_refused(tmp_path, capsys, save_nifti):
    rng = np.random.default_rng(0)
    hu = np.where(np.indices((24, 24, 12))[0] > 6, 40, -1000)
    clean = str(save_nifti(tmp_path / "clean.nii.gz", hu.astype(np.int16)))
    names = []
    for level in (20, 60):
        noisy = (hu + rng.normal(0, level, hu.shape)).astype(np.int16)
        names.append(str(save_nifti(tmp_path / f"noise{level}.nii.gz", noisy)))
    measure(clean, ",".join(names), "abdomen")
    header, *lines = capsys.readouterr().out.splitlines()
    assert "HU window -120 to 240)" in header
    assert [line.split()[0] for line in lines] == ["noise20.nii.gz", "noise60.nii.gz"]
    (low, better), (high, worse) = ([float(word) for word in line.split()[1:]] for line in lines)
    assert low > high and better > worse
    moved = save_nifti(tmp_path / "moved.nii.gz", hu.astype(np.int16), np.diag([1.0, 1, 2, 1]))
    with pytest.raises(InputError, match=r"moved.nii.gz is on another grid"):
        measure(clean, [str(moved)], "abdomen")
