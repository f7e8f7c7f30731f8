import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from meddiff_core.conditions.detect import detect_region
from meddiff_core.conditions.vocabulary import label_id

AFFINE = np.diag([4.0, 4.0, 4.0, 1.0])
AIR = np.full((40, 40, 10), -1000)
CT_DIR = os.environ.get("MEDDIFF_CT_DIR")
# The file prefix names the region. abd_kits00072 is 45 mm of lung bases and liver dome: undecidable from HU.
PREFIXES = {"hn": "head_neck", "chest": "chest", "abd": "abdomen"}


def disc(radius, center=(20, 20)):
    x, y = np.ogrid[:40, :40]
    return np.repeat(((x - center[0]) ** 2 + (y - center[1]) ** 2 < radius**2)[:, :, None], 10, axis=2)


def trunk():
    return np.where(disc(18), 40, AIR)


def chest():
    return np.where(disc(5, (12, 20)) | disc(5, (28, 20)), -850, trunk())


def head():
    return np.where(disc(16), np.where(disc(14), 35, 1000), AIR)


@pytest.mark.parametrize(("make", "region"), [(trunk, "abdomen"), (chest, "chest"), (head, "head_neck")])
@pytest.mark.parametrize("sigma", [0, 135])
def test_hu_statistics(make, region, sigma):
    hu = make() + np.random.default_rng(0).normal(0, sigma, AIR.shape)
    found, reason = detect_region(np.clip(hu, -1024, None), AFFINE)
    assert found == region
    assert reason.endswith(".")


def test_orientation_does_not_matter():
    sagittal = np.ascontiguousarray(head().transpose(2, 0, 1)[:, ::-1])
    affine = np.array([[0, -4.0, 0, 0], [0, 0, 4.0, 0], [4.0, 0, 0, 0], [0, 0, 0, 1]])
    assert detect_region(sagittal, affine)[0] == "head_neck"


def test_air_is_unknown():
    assert detect_region(AIR, AFFINE)[0] == "unknown"


@pytest.mark.parametrize(
    "header",
    [
        {"BodyPartExamined": "HEAD & NECK"},
        {"0018|0015": "brain "},
        {"00180015": {"vr": "CS", "Value": ["CSPINE"]}},
    ],
)
def test_header_comes_first(header):
    region, reason = detect_region(chest(), AFFINE, header=header)
    assert region == "head_neck"
    assert "BodyPartExamined" in reason


def test_pydicom_dataset_as_header():
    pydicom = pytest.importorskip("pydicom")
    header = pydicom.Dataset()
    header.BodyPartExamined = "ABDOMEN"
    assert detect_region(chest(), AFFINE, header=header)[0] == "abdomen"


@pytest.mark.parametrize("header", [{}, {"BodyPartExamined": "CHESTABDPELVIS"}, {"0018|0015": "KNEE"}])
def test_undecided_header_is_passed_over(header):
    assert detect_region(chest(), AFFINE, header=header)[0] == "chest"


def test_labels_come_before_hu():
    anatomy = np.full(AIR.shape, label_id("body"), np.uint8)
    anatomy[20, :, :6] = label_id("liver")
    anatomy[20, :, 6:] = label_id("heart")
    region, reason = detect_region(chest(), AFFINE, anatomy=anatomy)
    assert region == "abdomen"
    assert "anatomy" in reason


def test_coarse_labels_do_not_decide():
    anatomy = np.full(AIR.shape, label_id("lung"), np.uint8)
    assert detect_region(trunk(), AFFINE, anatomy=anatomy)[0] == "abdomen"


@pytest.mark.skipif(
    not CT_DIR, reason="set MEDDIFF_CT_DIR to a folder of CT whose names begin with hn_, chest_, abd_"
)
@pytest.mark.parametrize("sigma", [0, 135])
def test_real_scans(sigma):
    hits = {}
    for path in sorted(Path(CT_DIR).rglob("*.nii.gz")):
        prefix = path.name.split("_")[0]
        scan = nib.load(path)
        if prefix not in PREFIXES or scan.get_data_dtype() == np.uint8 or "kits00072" in path.name:
            continue
        noise = np.random.default_rng(0).normal(0, sigma, scan.shape) if sigma else 0
        found, _ = detect_region(np.asarray(scan.dataobj) + noise, scan.affine)
        hits[path.name] = found == PREFIXES[prefix]
    assert hits and all(hits.values()), hits
