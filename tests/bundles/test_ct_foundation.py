"""The foundation bundle: a short training, its resume, its weights, and inference."""

from __future__ import annotations

import json
import re

import nibabel as nib
import numpy as np
import pytest
import torch

from meddiff_core.networks.ct_denoiser import CTDenoiser
from meddiff_core.networks.weights import load_weights
from meddiff_core.phantoms import make_phantom


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A prepared data set of two small phantoms and one for validation."""
    folder = tmp_path_factory.mktemp("prepared")
    items = []
    for seed, region in enumerate(("abdomen", "chest", "abdomen")):
        phantom = make_phantom(region, shape=(32, 32, 20), spacing=(10.0, 10.0, 10.0), seed=seed)
        names = {"image": f"image_{seed}.nii.gz", "anatomy": f"anatomy_{seed}.nii.gz"}
        for key, volume in (("image", np.int16(phantom.hu)), ("anatomy", phantom.anatomy)):
            nib.save(nib.Nifti1Image(volume, phantom.affine), folder / names[key])
        items.append(names | {"region": region})
    (folder / "datalist.json").write_text(json.dumps({"training": items[:2], "validation": items[2:]}))
    return folder


@pytest.fixture
def train(bundle, short_training, prepared):
    """train(output_dir, *overlays, **options) -> workflow after a run of two epochs of two iterations."""

    def run(output_dir, *overlays, **options):
        short = short_training | {"dataset_dir": str(prepared), "output_dir": str(output_dir)}
        workflow = bundle("ct_foundation", "train.json", *overlays, workflow_type="train", **short | options)
        workflow.run()
        return workflow

    return run


def test_training_writes_weights_measures_and_says_so(train, tmp_path, caplog):
    with caplog.at_level("INFO", logger="meddiff"):
        workflow = train(tmp_path)
    trainer = workflow.parser.get_parsed_content("train#trainer")
    evaluator = workflow.parser.get_parsed_content("validate#evaluator")
    assert trainer.state.iteration == 4
    assert 0 < evaluator.state.metrics["val_psnr"] < 60
    assert list(tmp_path.glob("events.out.tfevents*"))
    state = torch.load(tmp_path / "model.pt", weights_only=True)
    assert {value.dtype for value in state.values() if value.is_floating_point()} == {torch.float16}
    load_weights(CTDenoiser(), tmp_path / "model.pt")
    for line in (
        r"Epoch 1 of 2, iteration 1 of 2: loss \d.*, learning rate .*, 0:\d\d:\d\d left\.",
        r"Validation after epoch 2: val_psnr \d+\.\d{4}\.",
        rf"Wrote {tmp_path / 'model.pt'}, the weights after epoch 2\.",
        rf"Wrote {tmp_path / 'checkpoint.pt'}, to go on from epoch 2\.",
    ):
        assert re.search(line, caplog.text)


def test_a_stopped_training_goes_on_where_it_was(train, tmp_path):
    train(tmp_path, max_epochs=1)
    workflow = train(tmp_path, max_epochs=3)
    trainer = workflow.parser.get_parsed_content("train#trainer")
    assert trainer.state.iteration == 6
    losses = workflow.parser.get_parsed_content("lr_scheduler")
    assert losses.last_epoch == 6


def test_training_is_repeatable(train, tmp_path):
    for folder in ("a", "b"):
        train(tmp_path / folder)
    first, second = (torch.load(tmp_path / folder / "model.pt", weights_only=True) for folder in ("a", "b"))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_loss_that_is_not_a_number_stops_training(train, tmp_path):
    workflow = train(tmp_path, learning_rate=1e30)
    assert workflow.parser.get_parsed_content("train#trainer").should_terminate


def test_paper_preset_is_an_overlay(bundle, prepared):
    workflow = bundle(
        "ct_foundation", "train.json", "network_paper.json", workflow_type="train", dataset_dir=str(prepared)
    )
    assert workflow.parser.get_parsed_content("network_def").factor == 1
    assert workflow.parser.get_parsed_content("schedule").prediction_type == "epsilon"
    assert workflow.parser.get_parsed_content("loss").power == 1
    assert workflow.parser.get_parsed_content("train#trainer").accumulation_steps == 4


def test_inference_reconstructs_what_was_noised(bundle, scans, tmp_path):
    options = {"image": str(scans["clean"]), "region": "abdomen", "timestep": 20, "output_dir": str(tmp_path)}
    bundle("ct_foundation", "inference.json", **options).run()
    clean, result = nib.load(scans["clean"]), nib.load(tmp_path / "clean_reconstruction.nii.gz")
    np.testing.assert_allclose(result.affine, clean.affine, atol=1e-6)
    inside = (clean.get_fdata() > 0) & (clean.get_fdata() < 120)
    difference = (result.get_fdata() - clean.get_fdata())[inside]
    assert np.abs(difference).mean() < 15


def test_properties_are_complete(bundle, prepared, scans):
    inference = bundle("ct_foundation", "inference.json", image=str(scans["clean"]))
    assert not inference.check_properties()
    options = {"dataset_dir": str(prepared), "workflow_type": "train"}
    assert not bundle("ct_foundation", "train.json", **options).check_properties()
