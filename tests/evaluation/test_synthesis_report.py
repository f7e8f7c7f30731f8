"""The report of synthesis behind MONAI's evaluator."""

import json

import numpy as np
import pytest
import torch
from monai.data import DataLoader, Dataset, MetaTensor
from monai.handlers import MetricsSaver

from meddiff_core.evaluation.scan_dataset import FAILED
from meddiff_core.evaluation.scan_evaluator import ScanEvaluator
from meddiff_core.evaluation.synthesis_report import SynthesisReport
from meddiff_core.inferers.windows import Windows
from meddiff_core.phantoms import make_phantom


class BlockMeans:
    """Mean and spread of each half of a volume."""

    name = "means of halves"

    def __call__(self, hu):
        return torch.tensor([[half.mean(), half.std()] for half in np.array_split(hu, 2)])


def item(seed):
    phantom = make_phantom("chest", (48, 48, 40), (6, 6, 7), seed=seed)
    volumes = {"image": phantom.anatomy, "label": phantom.hu.astype(np.float32), "anatomy": phantom.anatomy}
    meta = {"filename_or_obj": f"chest{seed}.nii.gz"}
    return {
        key: MetaTensor(torch.as_tensor(v[None]), affine=phantom.affine, meta=meta)
        for key, v in volumes.items()
    }


@pytest.fixture(scope="module")
def items():
    return [item(1), item(2)]


def evaluate(items, output_dir, generate):
    """Metrics of an inferer that makes `generate(real CT)`."""
    real = iter(items)
    evaluator = ScanEvaluator(
        device=torch.device("cpu"),
        val_data_loader=DataLoader(Dataset(items), batch_size=1),
        network=torch.nn.Identity(),
        inferer=lambda image, network: generate(next(real)["label"].as_tensor()[None]),
        val_handlers=[
            SynthesisReport(output_dir, BlockMeans(), Windows(24, overlap=0.0)),
            MetricsSaver(str(output_dir), metrics="*"),
        ],
    )
    evaluator.run()
    return evaluator.state.metrics


def test_ten_hu_too_bright(items, tmp_path):
    metrics = evaluate(items, tmp_path, lambda hu: hu + 10)
    # What the window clips at 400 HU, metal and cortical bone, cannot get brighter.
    assert metrics["hu_error_lung"] == pytest.approx(10, abs=0.01)
    assert 0.99 < metrics["ms_ssim"] < 1
    assert metrics["seam_index"] == pytest.approx(metrics["seam_index_real"], rel=0.01)
    assert metrics["dice_lung"] == pytest.approx(metrics["dice_lung_real"], abs=0.02)
    assert 0 < metrics["fid"] < 200

    result = json.loads((tmp_path / "synthesis.json").read_text())
    assert result["count"] == 2 and result["feature_vectors"] == 4
    assert (result["features"], result["segmenter"]) == ("means of halves", "coarse_labels")
    assert result["volumes"][0]["volume"] == "chest1"
    assert result["volumes"][0]["hu_by_organ"]["heart"]["difference"] == pytest.approx(10, abs=0.1)
    assert result["volumes"][0]["dice"]["real"]["fat"] is None
    page = (tmp_path / "synthesis.md").read_text()
    assert "synthetic" in page and "| chest2 |" in page and "nan" not in page
    assert "ms_ssim" in (tmp_path / "metrics.csv").read_text()


def test_the_real_volumes_themselves(items, tmp_path):
    metrics = evaluate(items, tmp_path, lambda hu: hu)
    assert metrics["ms_ssim"] == pytest.approx(1, abs=1e-4)
    assert metrics["fid"] == pytest.approx(0, abs=0.1)
    assert metrics["hu_error"] == 0
    assert metrics["seam_index"] == metrics["seam_index_real"]


def test_windows_that_do_not_agree(items, tmp_path):
    metrics = evaluate(items, tmp_path, lambda hu: hu + 100 * (torch.arange(48) >= 24)[:, None, None])
    assert metrics["seam_index"] > 1.2 * metrics["seam_index_real"]


def test_no_report_where_every_scan_failed(tmp_path):
    with pytest.raises(SystemExit, match="is no CT"):
        evaluate([{"image": "a.nii.gz", FAILED: "a.nii.gz is no CT."}], tmp_path, None)
    assert not (tmp_path / "synthesis.json").exists()
