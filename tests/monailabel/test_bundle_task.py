"""A package in MONAI Label's own class for bundles, without our app."""

from __future__ import annotations

import runpy
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture
def task(tmp_path, monkeypatch):
    """The task of the packaged ct_denoising; files that its transforms write lie in `tmp_path`."""
    pytest.importorskip("monailabel.config", reason="runs in the environment of `make test-monailabel`")
    runpy.run_path(str(TOOLS / "monailabel_app" / "lib" / "torchvision_operators.py"))["declare_operators"]()
    monkeypatch.syspath_prepend(str(TOOLS))
    from monailabel.tasks.infer.bundle import BundleInferTask
    from package_bundle import package_files
    from release import BUNDLES

    for name, content in package_files(BUNDLES / "ct_denoising").items():
        path = tmp_path / "ct_denoising" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    monkeypatch.chdir(tmp_path)
    return BundleInferTask(str(tmp_path / "ct_denoising"), {}, load_strict=True)


@pytest.mark.monailabel
def test_options_reach_the_inferer(task, phantoms):
    answers = []
    for noise_level in (10.0, 200.0):
        request = {"image": str(phantoms["chest"]), "device": "cpu", "noise_level": noise_level}
        file, _ = task(request)
        image = nib.load(file)
        assert image.shape == (64, 64, 48)
        answers.append(np.asarray(image.dataobj).copy())
        Path(file).unlink()
    assert (answers[0] != answers[1]).mean() > 0.1
    assert task.config()["noise_level"] == "auto"
