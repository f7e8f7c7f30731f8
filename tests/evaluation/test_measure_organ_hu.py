"""The tables of usual HU: what the command writes, and what is checked against them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from meddiff_core.conditions.lesion_hu import lesion_kind
from meddiff_core.conditions.usual_hu import USUAL_HU, unusual_hu
from meddiff_core.conditions.vocabulary import BODY, label_id
from meddiff_core.evaluation.measure_organ_hu import measure_organ_hu

LUNG, FAT, BONE, LIVER = map(label_id, ("lung", "fat", "bone", "liver"))
IDS = np.array([BODY, LUNG, FAT, BONE, LIVER], np.uint8)
LABELS = np.repeat(IDS, 4)[:, None, None] * np.ones((1, 9, 8), np.uint8)
HU = {BODY: 40.0, LUNG: -800.0, FAT: -90.0, BONE: 500.0, LIVER: 60.0}


def scan(**change):
    """HU `(20, 9, 8)` of `LABELS`, other for the labels in `change`."""
    values = HU | {label_id(name): hu for name, hu in change.items()}
    return np.vectorize(values.get)(LABELS).astype(np.float32)


def test_the_command_writes_means_and_ranges_by_region(tmp_path, save_nifti):
    affine = np.diag([9.0, 9.0, 9.0, 1.0])
    items = []
    for number, lung in enumerate((-820, -800, -750)):
        lesion = np.zeros(LABELS.shape, np.uint8)
        lesion[5:7, 3:6, 3:6] = 1
        hu = scan(lung=lung)
        hu[lesion > 0] = 50
        for name, array in (("image", hu.astype(np.int16)), ("anatomy", LABELS), ("lesion", lesion)):
            save_nifti(tmp_path / f"{name}{number}.nii.gz", array, affine)
        items.append({k: f"{k}{number}.nii.gz" for k in ("image", "anatomy", "lesion")} | {"region": "chest"})
    (tmp_path / "list.json").write_text(json.dumps({"training": items}))
    measure_organ_hu(str(tmp_path / "list.json"), str(tmp_path))
    table = json.loads((tmp_path / "usual_hu.json").read_text())
    assert set(table) == {"chest"} and set(table["chest"]) == {"body", "lung", "fat", "bone", "liver"}
    assert table["chest"]["lung"]["low"] == -820 and table["chest"]["lung"]["high"] == -750
    assert table["chest"]["bone"] == {"scans": 3, "mean": 400, "low": 400, "high": 400}  # the widest window
    lesions = json.loads((tmp_path / "lesion_hu.json").read_text())
    assert lesions == {"lung": 3 * [{"mean": 50, "deviation": 0}], "body": []}


@pytest.mark.parametrize(
    ("change", "targets", "found"),
    [
        ({}, {}, []),
        ({"lung": -300}, {}, ["lung -300 HU"]),
        ({"bone": 30, "fat": 30}, {}, ["fat 30 HU", "bone 30 HU"]),
        ({"liver": 20}, {(LIVER,): 110}, ["liver 20 HU (usual: 50 to 170 HU)"]),
        ({"liver": 70}, {(LIVER,): 110}, []),
        ({"liver": 60}, {}, []),  # whose HU depend on the contrast medium
    ],
)
def test_what_no_scan_has_is_found(change, targets, found):
    phrases = unusual_hu(scan(**change), LABELS, 0.7, "chest", targets)
    assert [phrase[: len(start)] for phrase, start in zip(phrases, found, strict=True)] == found


def test_the_shipped_table_is_of_people():
    for region in ("chest", "abdomen", "head_neck"):
        table = USUAL_HU[region]
        assert -900 < table["lung"]["mean"] < -650 and -110 < table["fat"]["mean"] < -70
        assert 20 < table["body"]["mean"] < 60 and 200 < table["bone"]["mean"] <= 400
        assert all(tissue["low"] <= tissue["high"] and tissue["scans"] >= 3 for tissue in table.values())
    assert lesion_kind(np.array([BODY, LUNG, LUNG])) == "lung"
