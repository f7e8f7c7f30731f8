import matplotlib.image
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Orientation

from meddiff_core.reports import anomaly_picture
from meddiff_core.reports.canvas import Canvas
from meddiff_core.reports.picture import SavePictured
from meddiff_core.transforms.results import Results

SHAPE = (40, 30, 20)


def picture(folder, postfix="anomaly", **more):
    """The transform that writes pictures to a folder; `more` are further volumes."""
    volumes = {"score_map": "pred", "mask": "mask", "organ": "organ", "ct": "original"} | more
    return SavePictured("pred", anomaly_picture.anomaly_picture, volumes, Results(folder), postfix)


@pytest.fixture
def drawn(monkeypatch):
    """The places of the planes and the labels of the legends."""
    written = []

    class Recorded(Canvas):
        def __init__(self, planes, columns):
            written.append(planes.centre)
            super().__init__(planes, columns)

        def legend(self, column, handles, names):
            written.append(names)
            super().legend(column, handles, names)

    monkeypatch.setattr(anomaly_picture, "Canvas", Recorded)
    return written


@pytest.fixture
def item():
    """An organ with a finding that is curved, its centre of mass outside, and a second one."""
    hu, score_map, mask, organ = (np.zeros(SHAPE, np.float32) for _ in range(4))
    organ[4:36, 4:26, 2:18] = 1
    mask[6:8, 6:8, 4:6] = 2
    mask[15:25, 10:20, 10] = 1
    mask[17:25, 12:18, 10] = 0
    score_map[mask > 0] = 20
    score_map[30, 20, 9] = 30
    arrays = {"original": hu, "pred": score_map, "mask": mask, "organ": organ, "lesion": np.roll(mask, 1)}
    meta = {"filename_or_obj": "/data/scan.nii.gz", "region": "abdomen"}
    return {key: MetaTensor(torch.from_numpy(array)[None], meta=meta) for key, array in arrays.items()}


def test_planes_go_through_the_first_finding(item, drawn, tmp_path):
    item["mask"] = item["mask"].to(torch.uint8)
    picture(tmp_path)(item)
    centre, names = drawn
    assert item["mask"][0][centre] == 1
    assert names == ["organ", "anomaly"]
    assert matplotlib.image.imread(tmp_path / "scan_anomaly.png").shape[1] == 1300


def test_planes_go_through_the_maximum_where_nothing_is_found(item, drawn, tmp_path):
    item["mask"] *= 0
    picture(tmp_path)(item)
    item["organ"] *= 0
    picture(tmp_path)(item)
    assert drawn[::2] == [(30, 20, 9), (20, 15, 10)]


def test_true_lesion_is_named(item, drawn, tmp_path):
    picture(tmp_path, lesion="lesion")(item)
    assert drawn[1] == ["organ", "true lesion", "anomaly"]


def test_volumes_in_other_orientations(item, drawn, tmp_path):
    picture(tmp_path / "same")(item)
    turned = {key: Orientation("SPL", labels=None)(item[key]) for key in ("original", "pred", "mask")}
    picture(tmp_path / "turned")(item | turned)
    assert drawn[0] == drawn[2]
    pictures = [(tmp_path / name / "scan_anomaly.png").read_bytes() for name in ("same", "turned")]
    assert pictures[0] == pictures[1]
