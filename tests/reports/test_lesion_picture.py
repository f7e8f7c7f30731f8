import matplotlib.image
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Orientation

from meddiff_core.reports import lesion_picture
from meddiff_core.reports.canvas import Canvas
from meddiff_core.reports.lesion_picture import CloseUp
from meddiff_core.reports.picture import SavePictured
from meddiff_core.transforms.results import Results

SHAPE = (60, 50, 30)


def picture(folder, postfix="lesion", **more):
    """The transform that writes pictures to a folder; `more` are further volumes."""
    volumes = {"after": "pred", "lesion": "lesion"} | more
    return SavePictured("pred", lesion_picture.lesion_picture, volumes, Results(folder), postfix)


@pytest.fixture
def drawn(monkeypatch):
    """The place of the planes and the titles of the columns."""
    written = []

    class Recorded(Canvas):
        def __init__(self, planes, columns):
            written.append((planes.centre, []))
            super().__init__(planes, columns)

        def title(self, column, text, note="", color="w"):
            written[-1][1].append((text, note))
            super().title(column, text, note, color)

    monkeypatch.setattr(lesion_picture, "Canvas", Recorded)
    return written


@pytest.fixture
def item():
    """A small and a large curved lesion, whose centre of mass is not in it."""
    mask = np.zeros(SHAPE, np.float32)
    mask[6:8, 6:8, 4:6] = 1
    mask[15:25, 10:20, 10] = 1
    mask[17:25, 12:18, 10] = 0
    hu = np.random.default_rng(0).normal(0, 20, SHAPE).astype(np.float32)
    arrays = {"original": hu, "pred": hu + 60 * mask, "lesion": mask}
    meta = {"filename_or_obj": "/data/scan.nii.gz", "region": "abdomen"}
    affine = np.diag([4.0, 4.0, 5.0, 1.0])
    return {key: MetaTensor(torch.from_numpy(a)[None], affine=affine, meta=meta) for key, a in arrays.items()}


def test_planes_go_through_the_largest_lesion(item, drawn, tmp_path):
    picture(tmp_path, before="original")(item)
    ((centre, titles),) = drawn
    assert item["lesion"][0][centre] and centre[2] == 10
    assert [text for text, _ in titles] == ["overview", "before", "SYNTHETIC lesion", "mask"]
    assert titles[-1][1] == "4.2 ml, the largest of 2"
    assert matplotlib.image.imread(tmp_path / "scan_lesion.png").ndim == 3


def test_without_a_scan_everything_is_synthetic(item, drawn, tmp_path):
    picture(tmp_path, "inpainted")(item)
    assert [text for text, _ in drawn[0][1]] == ["overview", "SYNTHETIC CT and lesion", "mask"]
    assert (tmp_path / "scan_inpainted.png").is_file()


def test_volumes_in_other_orientations(item, drawn, tmp_path):
    picture(tmp_path / "same", before="original")(item)
    turned = {key: Orientation("SPL", labels=None)(item[key]) for key in ("original", "lesion")}
    picture(tmp_path / "turned", before="original")(item | turned)
    pictures = [(tmp_path / name / "scan_lesion.png").read_bytes() for name in ("same", "turned")]
    assert pictures[0] == pictures[1]


def test_close_up_stays_within_the_volume():
    close_up = CloseUp(SHAPE, (4.0, 4.0, 5.0), (2, 25, 15))
    assert close_up.box == (slice(0, 30), slice(10, 40), slice(3, 27))
    places = np.indices(SHAPE)
    axial, coronal, sagittal = zip(*(close_up.cut(axis) for axis in places), strict=True)
    assert (axial[2] == 15).all() and (coronal[1] == 25).all() and (sagittal[0] == 2).all()
    assert axial[0].shape == (30, 30) and coronal[0].shape == (24, 30)
    assert close_up.aspects == [1.0, 1.0, 1.0]
    assert close_up.labels == ["axial 15", "coronal 25", "sagittal 2"]
