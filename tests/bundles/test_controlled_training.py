"""Fine-tuning of the ControlNet bundles: what is trained, what is written, real pairs, from scratch."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from meddiff_core.networks.controlled_denoiser import ControlledDenoiser
from meddiff_core.networks.ct_denoiser import CTDenoiser
from meddiff_core.networks.weights import load_controlled_weights
from meddiff_core.phantoms import make_phantom

FOUNDATION = Path(__file__).parents[2] / "bundles" / "ct_foundation" / "models" / "model.pt"
BUNDLES = ("ct_super_resolution", "ct_lesion_generation")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Phantoms with lesions; the second has a real thick scan, whose slices reach beyond it."""
    folder = tmp_path_factory.mktemp("prepared")
    items = []
    for seed, region in enumerate(("abdomen", "chest", "abdomen")):
        phantom = make_phantom(region, shape=(32, 32, 20), spacing=(10.0, 10.0, 10.0), seed=seed, lesions=2)
        hu = np.int16(phantom.hu)
        volumes = {"image": hu, "anatomy": phantom.anatomy, "lesion": phantom.lesion}
        affines = dict.fromkeys(volumes, phantom.affine)
        if seed == 1:
            volumes["thick"] = hu.reshape(32, 32, 10, 2).mean(-1).round().astype(np.int16)
            affines["thick"] = phantom.affine @ np.diag([1.0, 1.0, 2.0, 1.0])
            affines["thick"][:3, 3] += phantom.affine[:3, 2] / 2
        names = {key: f"{key}_{seed}.nii.gz" for key in volumes}
        for key, volume in volumes.items():
            nib.save(nib.Nifti1Image(volume, affines[key]), folder / names[key])
        items.append(names | {"region": region})
    (folder / "datalist.json").write_text(json.dumps({"training": items[:2], "validation": items[2:]}))
    return folder


@pytest.fixture
def train(bundle, short_training, prepared, tmp_path):
    def run(name, *overlays, **options):
        short = short_training | {"dataset_dir": str(prepared), "output_dir": str(tmp_path)}
        workflow = bundle(name, "train.json", *overlays, workflow_type="train", **short | options)
        workflow.run()
        return workflow

    return run


def digest(network):
    parts = [value.cpu().numpy().tobytes() for value in network.state_dict().values()]
    return hashlib.sha256(b"".join(parts)).hexdigest()


@pytest.mark.parametrize("name", BUNDLES)
def test_only_the_trained_part_changes_and_is_written(name, train, tmp_path):
    reference = load_controlled_weights(ControlledDenoiser(CTDenoiser()), FOUNDATION)
    workflow = train(name)
    network = workflow.parser.get_parsed_content("network")
    assert digest(network.foundation) == digest(reference.foundation)
    assert digest(network.control) != digest(reference.control)
    state = torch.load(tmp_path / "model.pt", weights_only=True)
    assert state.keys() == network.control.state_dict().keys()
    assert {value.dtype for value in state.values() if value.is_floating_point()} == {torch.float16}
    load_controlled_weights(ControlledDenoiser(CTDenoiser()), FOUNDATION, tmp_path / "model.pt")
    metrics = workflow.parser.get_parsed_content("validate#evaluator").state.metrics
    assert -20 < metrics["val_psnr"] < 60
    assert not workflow.check_properties()


@pytest.mark.parametrize("name", BUNDLES)
def test_from_scratch_is_an_overlay_that_trains_and_writes_all(name, train, tmp_path):
    workflow = train(name, "from_scratch.json", max_epochs=1)
    network = workflow.parser.get_parsed_content("network")
    assert all(parameter.requires_grad for parameter in network.parameters())
    reference = load_controlled_weights(ControlledDenoiser(CTDenoiser()), FOUNDATION)
    assert digest(network.foundation) != digest(reference.foundation)
    state = torch.load(tmp_path / "model.pt", weights_only=True)
    assert state.keys() == network.state_dict().keys()


def test_a_real_pair_is_taken_as_it_is_and_others_are_simulated(train, prepared):
    dataset = train("ct_super_resolution", max_epochs=1).parser.get_parsed_content("train#dataset")
    simulated, real = dataset[0], dataset[1]
    assert simulated.keys() == real.keys()
    cached = dataset._cache[1]["thick"].float()
    thin = dataset._cache[1]["image"].float()
    pairs = [x.reshape(*x.shape[:3], 10, 2).mean(-1) for x in (cached, thin)]
    torch.testing.assert_close(*pairs, atol=2.0, rtol=0)  # both are rounded to whole HU
    assert not torch.equal(cached, thin)


def test_a_training_patch_of_lesions_shows_no_lesion_in_its_anatomy(train, prepared):
    around_lesions = {"level_weights": [0, 0, 0, 1, 0]}
    workflow = train("ct_lesion_generation", max_epochs=1, **around_lesions)
    dataset = workflow.parser.get_parsed_content("train#dataset")
    assert all(dataset[index]["lesion"].any() for index in range(2) for _ in range(3))
    item = dataset._cache[0]
    given = nib.load(prepared / "anatomy_0.nii.gz").get_fdata()
    inside = item["lesion"][0].numpy() > 0
    changed = item["anatomy"][0].numpy() != given
    assert inside.any() and not changed[~inside].mean() > 0.05
