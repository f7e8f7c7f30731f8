"""The Slurm job of the documents, on a real Slurm: every scan once, and the summary over the parts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from meddiff_core.evaluation.journal import summarize
from meddiff_core.phantoms import make_phantom

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slurm


@pytest.fixture
def folder(tmp_path):
    """A folder that looks like the repository's root, with a list of five scans and the documents' job."""
    for name in ("bundles", "meddiff_core"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    phantom = make_phantom("chest", shape=(32, 32, 16), spacing=(10.0, 10.0, 10.0), seed=1)
    lines = ["image,output"]
    for number in range(5):
        scan = tmp_path / f"p{number}" / "ct.nii.gz"
        scan.parent.mkdir()
        nib.save(nib.Nifti1Image((phantom.hu + number).astype(np.int16), phantom.affine), scan)
        lines.append(f"p{number}/ct.nii.gz,p{number}")
    (tmp_path / "scans.csv").write_text("\n".join(lines))
    text = (ROOT / "docs" / "many_scans.md").read_text()
    (tmp_path / "job.sh").write_text(text.split("```slurm\n")[1].split("```")[0])
    return tmp_path


def test_an_array_of_four(slurm, folder, capsys, monkeypatch):
    subprocess.run(["sbatch", "--wait", "job.sh"], cwd=folder, env=slurm, check=True, timeout=500)
    journals = sorted((folder / "out").glob("journal_*.jsonl"))
    assert len(journals) == 4
    lines = [json.loads(line) for path in journals for line in path.read_text().splitlines()]
    assert sorted(line["image"] for line in lines) == [f"p{n}/ct.nii.gz" for n in range(5)]
    assert {line["state"] for line in lines} == {"done"}
    assert len(list((folder / "out").glob("p*_denoised.nii.gz"))) == 5
    monkeypatch.chdir(folder)
    summarize(",".join(map(str, journals)), "scans.csv")
    assert capsys.readouterr().out.startswith("Done: 5, failed: 0, missing: 0;")
