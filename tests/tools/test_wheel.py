"""What `pip install` of a built wheel gives: the whole package, and the bundles with their weights."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile

import nibabel as nib
import pytest
from release import BUNDLES, ROOT

from meddiff_core.phantoms import make_phantom

# Where the package is installed for development, a finder of its own knows it: there is none elsewhere.
SCRIPT = """
import sys
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in repr(finder).lower()]
from meddiff_core import load_task
denoise = load_task("ct_denoising", noise_level=27, region="abdomen")
print(denoise("scan.nii.gz").shape, sys.modules["meddiff_core"].__file__)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with what is in the wheel."""
    source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("installed")
    for name in ("bundles", "meddiff_core"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = f"from setuptools import build_meta; build_meta.build_wheel({str(folder)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=source, check=True, capture_output=True)
    (wheel,) = folder.glob("meddiff_core-*.whl")
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


def test_a_wheel_holds_the_package_and_the_bundles(installed):
    files = [path for path in (ROOT / "meddiff_core").rglob("*.*") if "__pycache__" not in path.parts]
    for path in files:
        assert (installed / path.relative_to(ROOT)).read_bytes() == path.read_bytes()
    for path in [path for part in ("configs", "models") for path in BUNDLES.glob(f"*/{part}/*")]:
        assert (installed / "meddiff_core" / path.relative_to(ROOT)).read_bytes() == path.read_bytes()


@pytest.mark.cli
def test_a_task_runs_from_a_wheel(installed, tmp_path):
    phantom = make_phantom("abdomen", shape=(32, 32, 24), spacing=(10.0, 10.0, 12.0), seed=1)
    nib.save(nib.Nifti1Image(phantom.hu, phantom.affine), tmp_path / "scan.nii.gz")
    environment = {key: value for key, value in os.environ.items() if key != "MEDDIFF_BUNDLES"}
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    used = installed / "meddiff_core" / "__init__.py"
    assert result.stdout.splitlines()[-1] == f"(32, 32, 24) {used}"
