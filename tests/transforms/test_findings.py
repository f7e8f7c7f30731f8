"""Findings: numbered by score, measured on the scan's own grid, written as JSON and CSV."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from meddiff_core.transforms.findings import Findingsd, SaveFindingsd
from meddiff_core.transforms.results import Results

AFFINE = np.array([[-2.0, 0, 0, 50], [0, 1, 0, -20], [0, 0, 4, 7], [0, 0, 0, 1]])


@pytest.fixture
def item():
    """Two findings in a scan of 2 x 1 x 4 mm: two voxels that touch by a corner, and a higher one."""
    hu, score, mask = (np.zeros((8, 7, 6), np.float32) for _ in range(3))
    mask[1, 1, 1] = mask[2, 2, 2] = mask[6, 5, 4] = 1
    score[1, 1, 1], score[2, 2, 2], score[6, 5, 4] = 10, 30, 80
    hu[1, 1, 1], hu[2, 2, 2], hu[6, 5, 4] = 20, 40, -5
    meta = {"filename_or_obj": "/data/scan.nii.gz", "region": "chest"}
    arrays = {"pred": score, "mask": mask, "original": hu}
    return {
        key: MetaTensor(torch.from_numpy(array)[None], affine=torch.from_numpy(AFFINE), meta=dict(meta))
        for key, array in arrays.items()
    }


def test_the_highest_comes_first_and_has_its_place(item):
    result = Findingsd("pred")(item)
    labels = result["findings"][0].numpy()
    assert labels[6, 5, 4] == 1 and labels[1, 1, 1] == labels[2, 2, 2] == 2
    assert np.array_equal(labels > 0, item["mask"][0].numpy() > 0)
    assert result["pred"].meta["findings"] == [
        {"number": 1, "score": 80, "ml": 0.008, "mean_hu": -5, "voxel": [6, 5, 4], "mm": [38, -15, 23]},
        {"number": 2, "score": 30, "ml": 0.016, "mean_hu": 30, "voxel": [2, 2, 2], "mm": [46, -18, 15]},
    ]


def test_the_list_is_written_twice(item, tmp_path):
    SaveFindingsd("pred", Results(tmp_path))(Findingsd("pred")(item))
    record = json.loads((tmp_path / "scan_anomaly_findings.json").read_text())
    assert record["input"] == "scan.nii.gz" and [row["number"] for row in record["findings"]] == [1, 2]
    with (tmp_path / "scan_anomaly_findings.csv").open(newline="") as file:
        first, second = csv.DictReader(file)
    assert (first["score"], first["k"], first["x_mm"], second["mean_hu"]) == ("80.0", "4", "38.0", "30.0")


def test_nothing_found(item, tmp_path):
    item["mask"] *= 0
    result = SaveFindingsd("pred", Results(tmp_path))(Findingsd("pred")(item))
    assert not result["findings"].any()
    assert json.loads((tmp_path / "scan_anomaly_findings.json").read_text())["findings"] == []
    assert len((tmp_path / "scan_anomaly_findings.csv").read_text().splitlines()) == 1
