"""The segmenters of lesions: the small network's file, and nnU-Net's interface."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch

from meddiff_core.errors import InputError
from meddiff_core.metrics.lesion_segmenter import (
    GRID_MM,
    PATCH,
    SmallSegmenter,
    lesion_segmenter,
    segmenter_input,
    segmenter_network,
)
from meddiff_core.training.weight_export import export_weights

CONFIG = Path(__file__).parents[2] / "bundles" / "ct_lesion_generation" / "configs" / "segmenter.json"


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    export_weights(segmenter_network(), tmp_path / "segmenter.pt")
    return tmp_path / "segmenter.pt"


class Dense(torch.nn.Module):
    """Finds what is denser than the soft-tissue window's level, 60 HU."""

    def forward(self, x):
        return x[:, 1:]


def test_nothing_is_asked_for():
    assert lesion_segmenter() is None


def test_the_network_is_small_and_its_windows_are_those_of_the_regions():
    assert sum(p.numel() for p in segmenter_network().parameters()) < 1e6
    hu = torch.tensor([-1400.0, -500, 60, 240, 3000]).reshape(1, 5, 1, 1)
    wide, soft = segmenter_input(hu)[:, :, 0, 0]
    torch.testing.assert_close(wide, torch.tensor([-1, 0, 0.6222, 0.8222, 1]), atol=1e-4, rtol=0)
    torch.testing.assert_close(soft, torch.tensor([-1.0, -1, 0, 1, 1]))


def test_training_sees_what_the_segmenter_sees():
    config = json.loads(CONFIG.read_text())
    assert (config["voxel_size"], config["patch_size"]) == (GRID_MM, PATCH)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 3.0), (3.0, 2.0, 2.5)])
def test_a_mask_on_the_grid_of_the_scan(weights, spacing):
    segment = lesion_segmenter(weights)
    assert isinstance(segment, SmallSegmenter)
    places = np.stack(
        np.meshgrid(*(np.arange(n) * s for n, s in zip((30, 24, 20), spacing, strict=True)), indexing="ij")
    )
    centre = places.reshape(3, -1).mean(axis=1)[:, None, None, None]
    ball = np.linalg.norm(places - centre, axis=0) < 9
    hu = np.where(ball, 150.0, -100.0)
    segment.network = Dense()
    found = segment(hu, spacing)
    assert found.shape == hu.shape and found.dtype == bool
    assert 2 * (found & ball).sum() / (found.sum() + ball.sum()) > 0.85
    segment.network = segmenter_network().eval()
    assert segment(hu, spacing).shape == hu.shape


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "does not exist: train one with segmenter.json"),
        (lambda path: path.write_bytes(b"no weights"), "are damaged"),
        (lambda path: export_weights(torch.nn.Conv3d(1, 1, 1), path), "do not fit"),
    ],
)
def test_a_file_that_is_none_is_named(tmp_path, make, words):
    path = tmp_path / "other.pt"
    make(path)
    with pytest.raises(InputError, match=words) as caught:
        lesion_segmenter(path)
    assert "other.pt" in str(caught.value)


@pytest.fixture
def nnunet(monkeypatch):
    """A stand-in for nnU-Net's predictor, with the calls that it got."""
    calls = []

    class nnUNetPredictor:
        def __init__(self, **options):
            calls.append(options)

        def initialize_from_trained_model_folder(
            self, folder, use_folds, checkpoint_name="checkpoint_final.pth"
        ):
            calls.append(use_folds)
            (Path(folder) / "plans.json").read_text()

        def predict_single_npy_array(self, image, properties, previous, output, probabilities):
            assert previous is output is None and probabilities is False
            calls.append((image.shape, image.dtype, properties))
            return np.uint8(image[0] > 60) * 2

    module = SimpleNamespace(nnUNetPredictor=nnUNetPredictor)
    for name in ("nnunetv2", "nnunetv2.inference"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, "nnunetv2.inference.predict_from_raw_data", module)
    return calls


@pytest.mark.parametrize(("fold", "folds"), [("fold_0", None), ("fold_all", ("all",))])
def test_nnunet_gets_its_own_order_of_axes(tmp_path, nnunet, fold, folds):
    (tmp_path / fold).mkdir()
    (tmp_path / "plans.json").write_text("{}")
    segment = lesion_segmenter("not_used.pt", tmp_path)
    hu = np.zeros((5, 6, 7))
    hu[1, 2, 3] = 100
    found = segment(hu, (1.0, 2.0, 3.0))
    assert np.argwhere(found).tolist() == [[1, 2, 3]] and found.dtype == bool
    options, used, call = nnunet
    assert options["device"] == torch.device("cpu") and used == folds
    assert call == ((1, 7, 6, 5), np.float32, {"spacing": [3.0, 2.0, 1.0]})
    assert segment.name == "nnU-Net"


def test_a_folder_without_a_model_is_named(tmp_path, nnunet):
    with pytest.raises(InputError, match="is no trained nnU-Net v2 model"):
        lesion_segmenter(nnunet_model=tmp_path)


def test_without_nnunet_it_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "nnunetv2", None)
    with pytest.raises(InputError, match="pip install nnunetv2"):
        lesion_segmenter(nnunet_model=tmp_path)
