"""A picture or a page that fails leaves the result and the rest of a batch alone."""

from __future__ import annotations

import os

import numpy as np
import pytest
from monai.data import MetaTensor

from meddiff_core.reports.page import SavePaged
from meddiff_core.reports.picture import SavePictured

LATIN_1 = os.fsdecode(b"caf\xe9.nii.gz")


class Record:
    """Stands for the provenance of a result."""

    def record(self, meta):
        name = str(meta["filename_or_obj"])
        return {"bundle": "b", "input": name, "kind": "processed", "scan": {}, "options": {}}


def item(name="scan.nii.gz"):
    hu = np.full((1, 24, 24, 12), -1000.0, np.float32)
    hu[:, 4:20, 4:20] = 40
    volume = MetaTensor(hu, meta={"filename_or_obj": name, "region": "abdomen"})
    return {"original": volume, "pred": volume + 1}


def saver(kind, folder):
    if kind == "picture":
        return SavePictured(output_dir=folder)
    return SavePaged("pred", {"before": "original", "after": "pred"}, Record(), output_dir=folder)


@pytest.mark.parametrize(("kind", "suffix"), [("picture", "png"), ("page", "html")])
def test_a_name_in_latin_1(kind, suffix, tmp_path):
    saver(kind, tmp_path)(item(LATIN_1))
    (written,) = tmp_path.iterdir()
    assert os.fsencode(written.name) == b"caf\xe9_denoised." + suffix.encode()
    if kind == "page":
        assert "caf?.nii.gz" in written.read_text(encoding="utf-8")


FAILURES = {
    "another grid": lambda data, folder: data.update(pred=data["pred"][..., :10]),
    "no volume": lambda data, folder: data.update(original=None),
    "no room": lambda data, folder: folder.write_text("a file"),
}


@pytest.mark.parametrize("kind", ["picture", "page"])
@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_is_a_line(failure, kind, tmp_path, caplog):
    data, folder = item(), tmp_path / "out"
    FAILURES[failure](data, folder)
    before = dict(data)
    assert saver(kind, folder)(data) == before
    (line,) = caplog.messages
    assert line.startswith(f"{folder}/scan_denoised.")
    assert "is missing, the result is not" in line
