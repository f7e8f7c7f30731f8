"""A list of scans in parts, stopped and started again: nothing lost, nothing twice."""

from __future__ import annotations

import json

import pytest
from hard_input import NAMES, OF_MAPS, RESULTS, save, small_anatomy, small_hu, workflow

from meddiff_core.evaluation.journal import summarize


@pytest.fixture
def scans(tmp_path):
    """A list of five scans of the same name, of which the fourth is none."""
    lines = []
    for number in range(5):
        path = save(tmp_path / str(number) / "scan.nii.gz", small_hu())
        lines.append(f"{path},patient_{number}")
    (tmp_path / "3" / "scan.nii.gz").write_text("none")
    (tmp_path / "list.csv").write_text("\n".join(["image,output", *lines]))
    return tmp_path / "list.csv"


def test_parts_of_a_list(scans, tmp_path):
    out, journal = tmp_path / "out", tmp_path / "journal.jsonl"
    options = {"journal": str(journal), "existing": "skip"}
    workflow("ct_denoising", scans, out, part="1/2", **options).run()
    for _ in range(2):
        with pytest.raises(SystemExit):
            workflow("ct_denoising", scans, out, **options).run()
    written = {path.name for path in out.glob("*.nii.gz")}
    assert written == {f"patient_{number}_denoised.nii.gz" for number in (0, 1, 2, 4)}
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    done = [line["image"] for line in lines if line["state"] == "done"]
    assert len(done) == len(set(done)) == 4
    assert all(line["seconds"] > 0 and line["memory_gb"] > 0 for line in lines if line["state"] == "done")
    with pytest.raises(SystemExit) as ended:
        summarize(str(journal), str(scans))
    assert ended.value.code == 1


@pytest.mark.parametrize("name", NAMES)
def test_what_is_done_is_skipped_in_every_bundle(name, tmp_path):
    scan = save(tmp_path / "scan.nii.gz", small_anatomy() if name in OF_MAPS else small_hu())
    out = tmp_path / "out"
    workflow(name, scan, out).run()
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    assert {f"scan_{postfix}.nii.gz" for postfix in RESULTS[name]} <= before.keys()
    workflow(name, scan, out, existing="skip").run()
    assert {path.name: path.stat().st_mtime_ns for path in out.iterdir()} == before
