import matplotlib.image
import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from meddiff_core.conditions.vocabulary import BODY, LABELS, NUM_LABELS, label_id
from meddiff_core.phantoms import make_phantom
from meddiff_core.reports import synthesis_picture
from meddiff_core.reports.anatomy_colours import ANATOMY_SCALE, anatomy_legend
from meddiff_core.reports.canvas import Canvas
from meddiff_core.reports.picture import SavePictured
from meddiff_core.transforms.results import Results


def picture(folder, postfix="synthetic", **more):
    """The transform that writes pictures to a folder; `more` are further volumes."""
    volumes = {"generated": "pred", "anatomy": "original"} | more
    return SavePictured("pred", synthesis_picture.synthesis_picture, volumes, Results(folder), postfix)


@pytest.fixture
def titles(monkeypatch):
    """What is written above the columns."""
    written = []

    class Recorded(Canvas):
        def title(self, column, text, note, *color):
            written.append((column, text, note.split(",")[0]))
            super().title(column, text, note, *color)

    monkeypatch.setattr(synthesis_picture, "Canvas", Recorded)
    return written


def item(region, **meta):
    phantom = make_phantom(region, (24, 24, 16), (13.0, 13.0, 18.0))
    meta |= {"filename_or_obj": "/data/map.nii.gz", "region": region}
    arrays = {"original": phantom.anatomy, "pred": phantom.hu, "label": phantom.hu}
    return {
        key: MetaTensor(torch.from_numpy(array)[None].float(), affine=phantom.affine, meta=meta)
        for key, array in arrays.items()
    }


@pytest.mark.parametrize(
    ("region", "windows"),
    [
        ("chest", ["wide window", "soft-tissue window"]),
        ("abdomen", ["soft-tissue window", "wide window"]),
        ("head_neck", ["soft-tissue window", "wide window"]),
    ],
)
def test_both_windows_say_synthetic(region, windows, titles, tmp_path):
    picture(tmp_path)(item(region))
    assert titles[1:] == [(column, "SYNTHETIC CT", name) for column, name in enumerate(windows, start=1)]
    assert matplotlib.image.imread(tmp_path / "map_synthetic.png").shape[1] == 1300


def test_real_stands_beside_synthetic(titles, tmp_path):
    picture(tmp_path, real="label")(item("chest", number="2"))
    assert [text for _, text, _ in titles] == ["anatomy map", *["SYNTHETIC CT", "real CT"] * 2]
    assert [path.name for path in tmp_path.iterdir()] == ["map_synthetic_2.png"]


def test_every_label_has_a_colour_of_its_own():
    colours = ANATOMY_SCALE.to_rgba(np.arange(NUM_LABELS), bytes=True)[:, :3]
    assert len(np.unique(colours, axis=0)) == len(LABELS)
    assert colours[0].max() < 20  # the background's


def test_legend_names_the_classes_in_the_map():
    anatomy = np.zeros((4, 4, 4), np.uint8)
    anatomy[0], anatomy[1], anatomy[2, 0] = BODY, label_id("liver"), label_id("spleen")
    anatomy[3] = label_id("rib_left_1")
    handles, names = anatomy_legend(anatomy)
    assert names == ["organs", "other tissue", "bone"]
    assert [len(swatches) for swatches in handles] == [2, 1, 1]
