import json

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from monai.data import MetaTensor

from meddiff_core.evaluation.anomaly_report import AnomalyReport


def scan(name, missed=False, healthy=False):
    """Map, mask, lesion and organ of one volume, found exactly, or missed in half of its lesion."""
    lesion = np.zeros((1, 12, 12, 8), np.uint8)
    if not healthy:
        lesion[:, 4:8, 4:8, 2:4] = 1
    organ = np.zeros_like(lesion)
    organ[:, 1:11, 1:11, 1:7] = 1
    found = lesion.astype(np.float32) * 50
    if missed:
        found[:, 6:] = 0
    volumes = {"pred": found, "mask": (found > 25).astype(np.uint8), "lesion": lesion, "organ": organ}
    meta = {"filename_or_obj": f"folder/{name}.nii.gz"}
    return {key: MetaTensor(torch.from_numpy(volume), meta=meta) for key, volume in volumes.items()}


def as_monai(engine, batch):
    """The prediction is in the output; what is neither input, label nor prediction stays in the batch."""
    stays = {"organ", "lesion", "truth"}
    output = [{key: item[key] for key in item if key not in stays} for item in batch]
    engine.state.batch = [{key: item[key] for key in item if key in stays} for item in batch]
    return output


def evaluate(scans, out, **options):
    engine = Engine(as_monai)
    AnomalyReport(out, **options).attach(engine)
    engine.run([[scan] for scan in scans])
    return engine.state.metrics


def test_means_and_tables(tmp_path):
    metrics = evaluate([scan("a"), scan("b", missed=True)], tmp_path / "out")
    assert metrics["dice"] == pytest.approx((1 + 2 / 3) / 2)
    assert metrics["pixel_auroc"] == pytest.approx((1 + 0.75) / 2)
    assert metrics["image_auroc"] == 1.0
    assert [metrics[f"sensitivity_at_{n}"] for n in (1, 2, 4, 8)] == [1.0] * 4
    result = json.loads((tmp_path / "out" / "anomaly.json").read_text())
    assert [row["volume"] for row in result["volumes"]] == ["a", "b"]
    assert result["mean"] == pytest.approx(metrics)
    assert result["sensitivity_by_size"]["below 10 mm"]["4"] == 1.0
    table = (tmp_path / "out" / "anomaly.md").read_text()
    assert "| below 10 mm | 1.000 | 1.000 | 1.000 | 1.000 |" in table
    assert "| b | 0.527 | 0.750 |" in table
    assert "4 axial slices with a lesion against 8 without, 2 volume(s)" in table


@pytest.mark.parametrize("listed", [True, False])
def test_a_healthy_volume_counts_in_the_slices_alone(listed, tmp_path):
    healthy = scan("b", healthy=True)
    if not listed:
        del healthy["lesion"]
    metrics = evaluate([scan("a"), healthy], tmp_path)
    assert metrics["dice"] == metrics["pixel_auroc"] == metrics["pro"] == 1.0
    result = json.loads((tmp_path / "anomaly.json").read_text())
    assert result["volumes"][1] == {
        "volume": "b",
        "average_precision": None,
        "pixel_auroc": None,
        "pro": None,
        "dice": None,
    }
    table = (tmp_path / "anomaly.md").read_text()
    assert "| b | n/a | n/a | n/a | n/a |" in table
    assert "| volumes that count | 1 of 2 | 1 of 2 | 1 of 2 | 1 of 2 |" in table


def test_healthy_volumes_alone_measure_nothing_and_say_so(tmp_path):
    assert evaluate([scan(name, healthy=True) for name in ("a", "gr\udce9")], tmp_path) == {}
    table = (tmp_path / "anomaly.md").read_text(encoding="utf-8")
    assert (
        "| mean | n/a | n/a | n/a | n/a |" in table
        and "| volumes that count | 0 of 2 | 0 of 2 | 0 of 2 | 0 of 2 |" in table
    )
    assert "Image AUROC n/a: 0 axial slices with a lesion" in table
    assert "nan" not in table.replace("n/a", "")


def test_no_scan_no_file(tmp_path):
    engine = Engine(lambda engine, batch: [])
    AnomalyReport(tmp_path / "out").attach(engine)
    engine.run([[]])
    assert not (tmp_path / "out").exists()


def test_runs_again_from_nothing(tmp_path):
    engine = Engine(as_monai)
    AnomalyReport(tmp_path).attach(engine)
    for _ in range(2):
        engine.run([[scan("a")]])
    assert len(json.loads((tmp_path / "anomaly.json").read_text())["volumes"]) == 1
