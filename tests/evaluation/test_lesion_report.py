"""The report of lesion generation and inpainting."""

import json

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from monai.data import MetaTensor

from meddiff_core.evaluation.lesion_report import LesionReport

SHAPE = (1, 16, 16, 12)


def item(name, error=0.0, beside=0.0, size=4):
    """A lesion of 40 HU in fat, made `error` HU too dense, and `beside` HU of change next to it."""
    lesion = np.zeros(SHAPE, np.float32)
    lesion[:, 4 : 4 + size, 4:8, 4:8] = 1
    real = np.where(lesion, 40, -100).astype(np.float32)
    pred = np.where(lesion, 40 + error, -100 + beside).astype(np.float32)
    meta = {"filename_or_obj": f"folder/{name}.nii.gz"}
    affine = np.diag([1.0, 1.0, 2.0, 1.0])
    volumes = {"pred": pred, "label": real, "lesion": lesion}
    return {key: MetaTensor(torch.from_numpy(v), affine=affine, meta=meta) for key, v in volumes.items()}


class Dense:
    """Finds what is denser than water."""

    name = "dense"

    def __call__(self, hu, spacing):
        assert tuple(spacing) == (1, 1, 2)
        return hu > 0


def evaluate(items, out, **options):
    engine = Engine(lambda engine, batch: batch)
    LesionReport(out, **options).attach(engine)
    engine.run([[item] for item in items])
    return engine.state.metrics


def test_means_and_tables(tmp_path):
    metrics = evaluate([item("a", 10), item("b", -30, size=8)], tmp_path / "out", segment=Dense())
    assert metrics["hu_error"] == metrics["histogram_distance"] == pytest.approx(20)
    # all real voxels have 40 HU, so the pooled ones have 10 and 30 to go, too
    assert metrics["histogram_distance_pooled"] == pytest.approx(20)
    assert metrics["seam"] == pytest.approx((150 / 140 + 110 / 140) / 2)
    assert metrics["dice"] == metrics["dice_real"] == 1
    result = json.loads((tmp_path / "out" / "lesion.json").read_text())
    assert result["segmenter"] == "dense" and result["count"] == 2
    assert result["mean"] == pytest.approx(metrics)
    first = result["volumes"][0]
    assert first["volume"] == "a" and first["ml"] == pytest.approx(0.128)
    assert (first["generated"]["mean"], first["real"]["p50"]) == (50, 40)
    page = (tmp_path / "out" / "lesion.md").read_text()
    assert "| a | 0.1 | 50 / 40 | 0 / 0 | 10.0 | 10.0 | 1.07 | 1.000 (1.000) |" in page
    assert "| mean |" in page and "(dense)" in page and "change outside" not in page


def test_a_lesion_that_is_not_found(tmp_path):
    metrics = evaluate([item("a", error=-60)], tmp_path, segment=Dense())
    assert (metrics["dice"], metrics["dice_real"]) == (0, 1)


def test_what_changed_outside_where_a_scan_was_given(tmp_path):
    metrics = evaluate([item("a"), item("b", beside=3)], tmp_path, original_key="label")
    assert metrics["outside_difference"] == 1.5
    assert "dice" not in metrics
    page = (tmp_path / "lesion.md").read_text()
    assert "| change outside, HU |" in page and "Dice" not in page
    assert "| b | 0.1 | 40 / 40 | 0 / 0 | 0.0 | 0.0 | 0.98 | 3.0 |" in page


def test_no_scan_no_file_and_a_second_run_starts_anew(tmp_path):
    engine = Engine(lambda engine, batch: batch)
    LesionReport(tmp_path).attach(engine)
    engine.run([[]])
    assert not list(tmp_path.iterdir())
    for _ in range(2):
        engine.run([[item("a")]])
    assert json.loads((tmp_path / "lesion.json").read_text())["count"] == 1
