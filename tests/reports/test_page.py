import base64
import gzip
import json
import re

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from monai.data import MetaTensor
from monai.transforms import Orientation

from meddiff_core.errors import InputError
from meddiff_core.reports.page import SavePaged, write_page
from meddiff_core.reports.page_volumes import Frame, frame_for
from meddiff_core.transforms.results import Results

SHAPE, SPACING = (40, 30, 20), (3.0, 3.0, 4.0)
RECORD = {
    "bundle": "ct_denoising",
    "kind": "processed",
    "input": "scan.nii.gz",
    "scan": {"region": "abdomen", "noise_level": 27.123456},
    "options": {"steps": 1, "anatomy": None},
}


class Stub(Results):
    """Results whose record knows the file's name and region."""

    def record(self, meta):
        scan = {"region": meta["region"]}
        return RECORD | {"input": str(meta["filename_or_obj"]).rsplit("/", 1)[-1], "scan": scan}


@pytest.fixture
def body():
    """A trunk `(40, 30, 20)` with structure, off the middle (RAS axes)."""
    hu = np.full(SHAPE, -1000.0, np.float32)
    hu[10:36, 6:28] = np.random.default_rng(0).normal(0, 50, (26, 22, 20))
    return hu


def scene_of(path):
    return json.loads(re.search(r'<script id="scene"[^>]*>(.*?)</script>', path.read_text(), re.DOTALL)[1])


def decoded(item, shape, dtype):
    raw = gzip.decompress(base64.b64decode(item["data"]))
    return np.frombuffer(raw, dtype).reshape(shape, order="F")


def test_volumes_come_back_from_the_page(body, tmp_path):
    score = np.clip(body / 7, 0, None)
    mask, labels = (body > 60).astype(np.float32), np.where(body > -500, 118, 0)
    overlays = {"map": score, "mask": mask, "anatomy": labels}
    volumes = {"input": body, "denoised": body + 7}
    write_page(tmp_path / "new" / "page.html", volumes, overlays, SPACING, RECORD)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["page.html"]
    scene = scene_of(tmp_path / "new" / "page.html")
    (x, y, z), shape = scene["origin"], scene["shape"]
    assert x < 10 and y < 6 and np.prod(shape) < body.size
    box = np.s_[x : x + shape[0], y : y + shape[1], z : z + shape[2]]
    for scan, hu in zip(scene["scans"], volumes.values(), strict=True):
        np.testing.assert_array_equal(decoded(scan, shape, "<i2"), np.rint(hu[box]))
    shown = {layer["name"]: layer for layer in scene["overlays"]}
    assert list(shown) == ["map", "mask", "anatomy", "change"]
    assert [layer["shown"] for layer in shown.values()] == [True, False, False, False]
    np.testing.assert_array_equal(decoded(shown["mask"], shape, "u1"), mask[box])
    np.testing.assert_array_equal(decoded(shown["anatomy"], shape, "u1"), labels[box])
    np.testing.assert_allclose(decoded(shown["map"], shape, "u1") * 60.0 / 255, score[box], atol=0.13)


def test_page_loads_nothing_and_says_what_it_is(body, tmp_path):
    write_page(tmp_path / "page.html", {"synthetic CT": body}, {}, SPACING, RECORD | {"kind": "synthetic"})
    page = (tmp_path / "page.html").read_text()
    assert not re.search(r"https?:|//[a-z]+\.|\bsrc=|<link|@import|url\(|fetch\(|XMLHttp", page)
    assert "default-src 'none'" in page
    assert "SYNTHETIC" in page and "research use only" in page
    for words in ("27.12 HU", "<th>steps</th><td>1</td>", "<th>anatomy</th><td>none</td>", "3 x 3 x 4 mm"):
        assert words in page
    assert not scene_of(tmp_path / "page.html")["overlays"]


def test_findings_are_listed(body, tmp_path):
    row = {"number": 1, "score": 80.5, "ml": 0.25, "mean_hu": 31, "voxel": [6, 5, 4], "mm": [38, -15, 2.5]}
    write_page(tmp_path / "page.html", {"CT": body}, {}, SPACING, RECORD | {"findings": [row]})
    page = (tmp_path / "page.html").read_text()
    told = "score 80.5, 0.25 ml, mean 31 HU, voxel (6, 5, 4), RAS (38, -15, 2.5) mm"
    assert f"<h2>Findings</h2><table><tr><th>1</th><td>{told}" in page


def test_names_are_words_not_markup(body, tmp_path):
    meta = {"filename_or_obj": "/secret/<script>alert(1)<!--.nii.gz", "region": "abdomen"}
    pred = MetaTensor(body[None], meta=meta)
    volumes = {"</script><b>": "pred"}
    SavePaged("pred", volumes, Stub(tmp_path))({"pred": pred})
    (path,) = tmp_path.iterdir()
    page = path.read_text()
    assert path.name == "<script>alert(1)<!--_denoised.html"
    assert "<script>alert" not in page and "<b>" not in page and "secret" not in page
    assert "&lt;script&gt;alert(1)&lt;!--.nii.gz" in page
    assert scene_of(path)["scans"][0]["name"] == "</script><b>"


def test_every_orientation_gives_the_same_page(body, tmp_path):
    written = []
    for axcodes in ("RAS", "SPL"):
        affine = np.diag([*SPACING, 1.0])
        meta = {"filename_or_obj": "scan.nii.gz", "region": "abdomen"}
        pred = Orientation(axcodes, labels=None)(MetaTensor(body[None], affine=affine, meta=meta))
        transform = SavePaged("pred", {"CT": "pred"}, Stub(tmp_path / axcodes), {"bone": "mask"})
        result = transform({"pred": pred, "mask": (pred > 60).float()})
        assert torch.equal(result["pred"], pred)
        written.append((tmp_path / axcodes / "scan_denoised.html").read_bytes())
    assert written[0] == written[1]


def test_large_scans_are_joined_along_the_finest_axes(body, tmp_path):
    frame = frame_for([body, body], [], (1.0, 1.0, 2.5), max_voxels=8000)
    assert frame.steps == (3, 3, 1)
    assert 2 * np.prod(frame.shape) <= 8000
    write_page(tmp_path / "page.html", {"CT": body}, {}, SPACING, RECORD, max_voxels=5000)
    page = (tmp_path / "page.html").read_text()
    assert "means of 2 x 2 x 1 voxels (6 x 6 x 4 mm), to keep the page small" in page
    scene = scene_of(tmp_path / "page.html")
    assert scene["spacing"] == [6.0, 6.0, 4.0]
    assert np.prod(scene["shape"]) <= 5000
    assert decoded(scene["scans"][0], scene["shape"], "<i2").shape == tuple(scene["shape"])


def test_joined_voxels(body):
    frame = Frame((slice(1, 8), slice(0, 8), slice(0, 4)), (2, 2, 1))
    assert frame.shape == [3, 4, 4]
    ramp = np.indices((10, 10, 10))[0].astype(np.float32) * 10
    assert frame.means(ramp)[:, 0, 0].tolist() == [15, 35, 55]
    assert frame.highest(ramp)[:, 0, 0].tolist() == [20, 40, 60]
    assert frame.nearest(ramp).shape == (3, 4, 4)
    assert frame.inside((5, 9, 3)) == [2, 3, 3] and frame.inside((0, 0, 0)) == [0, 0, 0]
    assert frame.means(ramp * 1e4).max() == 3071


def test_page_begins_at_the_largest_part(body, tmp_path):
    mask = np.zeros(SHAPE, np.float32)
    mask[0, 0, 0] = mask[20:23, 10:13, 8:11] = 1
    write_page(tmp_path / "page.html", {"CT": body}, {"lesion": mask}, SPACING, RECORD)
    scene = scene_of(tmp_path / "page.html")
    assert scene["origin"] == [0, 0, 0]  # what is marked is within
    assert scene["start"] == [21, 11, 9]
    assert "lesion</th><td>1.0 ml" in (tmp_path / "page.html").read_text()


def test_a_scan_without_a_body(tmp_path):
    write_page(tmp_path / "page.html", {"CT": np.full(SHAPE, -1000.0)}, {}, SPACING, RECORD)
    assert scene_of(tmp_path / "page.html")["shape"] == list(SHAPE)


def test_page_that_cannot_be_written(body, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="Cannot write"):
        write_page(tmp_path / "file" / "page.html", {"CT": body}, {}, SPACING, RECORD)


@pytest.mark.parametrize(("report", "count"), [(False, 1), ("false", 1), (True, 2), ("true", 2)])
def test_disabled_in_a_list_of_transforms_is_left_out(report, count):
    item = {"_target_": "ToTensor", "_disabled_": "$str(@report).lower() != 'true'"}
    parser = ConfigParser(
        {"report": report, "all": {"_target_": "Compose", "transforms": [{"_target_": "ToTensor"}, item]}}
    )
    assert len(parser.get_parsed_content("all").transforms) == count
