"""The option `report`: every bundle writes a page where it is asked for, and only there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

BUNDLES = Path(__file__).parents[2] / "bundles"


@pytest.mark.parametrize("name", sorted(path.name for path in BUNDLES.iterdir() if path.is_dir()))
def test_every_bundle_has_a_picture_and_a_page(name):
    config = json.loads((BUNDLES / name / "configs" / "inference.json").read_text())
    *_, picture, page = config["postprocessing"]["transforms"]
    assert config["report"] is False
    assert picture["_target_"].endswith("Pictured")
    assert page["_target_"].endswith("SavePaged")
    assert (page["keys"], page["postfix"]) == (picture["keys"], picture["postfix"])


def test_page_of_a_run(bundle, scans, tmp_path):
    for report in (False, True):
        workflow = bundle(
            "ct_denoising",
            "inference.json",
            image=str(scans["noisy"]),
            output_dir=str(tmp_path),
            report=report,
        )
        workflow.run()
        assert (tmp_path / "noisy_denoised.html").is_file() == report
    page = (tmp_path / "noisy_denoised.html").read_text()
    for words in ("noise level</th>", "region reason</th>", "ct_denoising: noisy.nii.gz", "change</th>"):
        assert words in page
    assert str(tmp_path) not in page and str(scans["noisy"].parent) not in page
