"""A few commands of the documents in a subprocess each, as a user starts them; all: test_documents.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from doc_commands import ROOT, commands
from doc_sandbox import start

from meddiff_core.phantoms import make_phantom

pytestmark = pytest.mark.cli


def find(document: str, *words: str) -> list[str]:
    """The one command of a document that holds all of the words."""
    (command,) = {c for c in commands(document) if all(any(w in part for part in c.words) for w in words)}
    return list(command.words)


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess:
    """Run a command of a document in a folder that looks like the repository's root."""
    assert Path(command[0]).name.startswith("python")
    return subprocess.run(
        [sys.executable, *command[1:]], cwd=link(folder), capture_output=True, text=True, timeout=300
    )


def link(folder: Path) -> Path:
    """The folder, with the repository's bundles and tools in it."""
    if not (folder / "bundles").exists():
        (folder / "bundles").symlink_to(ROOT / "bundles")
        (folder / "tools").symlink_to(ROOT / "tools")
    return folder


def two_processes(command: list[str]) -> list[str]:
    """A torchrun command of a document, on two CPU processes."""
    assert command[:2] == ["torchrun", "--nproc_per_node"]
    return ["python", "-m", "torch.distributed.run", "--nproc_per_node", "2", *command[3:]]


@pytest.fixture
def scan(tmp_path):
    """`scan.nii.gz`, a small phantom, and its anatomy `map.nii.gz`."""
    phantom = make_phantom("abdomen", shape=(48, 48, 40), spacing=(6.5, 6.5, 7.2), seed=3)
    nib.save(nib.Nifti1Image(phantom.hu, phantom.affine), tmp_path / "scan.nii.gz")
    nib.save(nib.Nifti1Image(phantom.anatomy, phantom.affine), tmp_path / "map.nii.gz")
    return tmp_path / "scan.nii.gz"


def test_denoise_a_scan(scan):
    result = run(find("README.md", "--image", "ct_denoising"), scan.parent)
    assert result.returncode == 0, result.stderr
    assert (scan.parent / "out" / "scan_denoised.nii.gz").is_file()
    assert (scan.parent / "out" / "scan_denoised.png").is_file()
    assert "Wrote" in result.stdout
    assert "Traceback" not in result.stderr


def test_a_missing_scan_is_one_sentence(tmp_path):
    result = run(find("README.md", "--image", "ct_denoising"), tmp_path)
    assert result.returncode == 1
    assert "scan.nii.gz does not exist: check the path." in result.stderr
    assert "Traceback" not in result.stderr + result.stdout
    assert not (tmp_path / "out").exists()


def test_two_processes_train_together(scan):
    """The torchrun command of the foundation's docs, on two CPU processes."""
    folder = scan.parent
    (folder / "my_cts").mkdir()
    for name in ("a", "b", "c"):
        (folder / "my_cts" / f"{name}.nii.gz").write_bytes(scan.read_bytes())
    prepare = [
        *find("docs/fine_tuning.md", "prepare_data.py", "0.2"),
        "--val_fraction",
        "0.3",
        "--workers",
        "0",
    ]
    start(prepare, link(folder))
    command = two_processes(find("bundles/ct_foundation/docs/README.md", "torchrun"))
    small = "--epoch_length 2 --max_epochs 1 --val_interval 1 --patch_size 16 --batch_size 1 --num_workers 0"
    result = run([*command, "--output_dir", "out", *small.split()], folder)
    assert result.returncode == 0, result.stderr
    assert (folder / "out" / "model.pt").is_file()
    assert (
        len(list((folder / "out").glob("events.out.tfevents*"))) == 2
    )  # loss and validation, of one process


def test_two_processes_share_the_windows_of_a_volume(scan):
    """The torchrun command of the docs writes once what one process writes."""
    # float32: in bfloat16 the number of threads alone, of which torchrun gives each process one, rounds anew
    small = "--region chest --preset fast --window_size 32 --steps 2 --precision float32"
    options = small.split()
    folder = scan.parent
    command = two_processes(find("docs/speed.md", "torchrun"))
    result = run([*command, *options, "--output_dir", "shared"], folder)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("Wrote shared/map_synthetic.nii.gz") == 1
    command = find("bundles/ct_synthesis/docs/README.md", "--region", "inference.json")
    command = [*command, *options, "--anatomy", "map.nii.gz", "--output_dir", "alone"]
    start(command, folder)
    shared, alone = (nib.load(folder / out / "map_synthetic.nii.gz") for out in ("shared", "alone"))
    # 1e-4 of [-1, 1] is 0.09 HU in the widest window, but HU are rounded
    assert np.abs(shared.get_fdata() - alone.get_fdata()).max() <= 1


def test_of_two_processes_with_one_usable_volume_none_stops_the_other(scan):
    folder = scan.parent / "maps"
    folder.mkdir()
    good = (scan.parent / "map.nii.gz").read_bytes()
    (folder / "good.nii.gz").write_bytes(good)
    (folder / "bad.nii.gz").write_bytes(good[:500])
    command = two_processes(find("docs/speed.md", "torchrun"))
    options = ["--split", "volumes", "--anatomy", "maps", "--region", "abdomen", "--steps", "1"]
    result = run([*command, *options], scan.parent)
    assert result.returncode == 1
    assert result.stderr.count("1 of 2 scans failed:") == 1
    assert (scan.parent / "out" / "good_synthetic.nii.gz").is_file()
