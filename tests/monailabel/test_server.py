"""A real MONAI Label server: what it lists, what it answers, what it adds to the studies, how it trains."""

from __future__ import annotations

import json
import time

import nibabel as nib
import numpy as np
import pytest
from test_panel_options import BUNDLES, NAMES

from meddiff_core.phantoms import make_phantom

pytestmark = pytest.mark.monailabel

_TASK_SECONDS = 240


def volume(response, folder) -> np.ndarray:
    """Voxels of a NIfTI that was sent back."""
    assert response.status_code == 200, response.text
    path = folder / "answer.nii.gz"
    path.write_bytes(response.content)
    return np.asarray(nib.load(path).dataobj).copy()


def test_info_lists_every_bundle_with_its_options(server):
    info = server.call("GET", "/info/").json()
    assert sorted(info["models"]) == NAMES
    for name, model in info["models"].items():
        config = json.loads((BUNDLES / name / "configs" / "inference.json").read_text())
        assert config["displayable_configs"].items() <= model["config"].items()
        assert model["type"] == "segmentation"  # 3D Slicer offers no other type without clicks
    assert info["models"]["ct_anomaly_detection"]["labels"] == {"anomaly": 1}
    assert info["models"]["ct_lesion_inpainting"]["labels"] == {"lesion": 1}
    assert not info["models"]["ct_denoising"]["labels"]
    assert sorted(info["trainers"]) == ["ct_foundation", "ct_lesion_generation", "ct_super_resolution"]


def test_denoised_ct_comes_back_and_is_a_new_image(server, phantoms, tmp_path):
    ours = volume(server.infer("ct_denoising", "chest"), tmp_path)
    original = nib.load(phantoms["chest"])
    assert ours.shape == original.shape
    assert ours.dtype == np.int16
    added = server.images()["chest_denoised"]
    assert added["image"]["info"]["made_from"] == "chest.nii.gz"
    stored = server.call("GET", "/datastore/image?image=chest_denoised")
    path = tmp_path / "stored.nii.gz"
    path.write_bytes(stored.content)
    assert np.array_equal(np.asarray(nib.load(path).dataobj), ours)
    assert np.allclose(nib.load(path).affine, original.affine)


def test_options_change_the_result_also_as_text_of_the_panel(server, tmp_path):
    little = volume(server.infer("ct_denoising", "chest", noise_level=10.0), tmp_path)
    much = volume(server.infer("ct_denoising", "chest", noise_level=200), tmp_path)
    text = volume(server.infer("ct_denoising", "chest", noise_level="200", region=""), tmp_path)
    assert (little != much).mean() > 0.1
    assert np.array_equal(much, text)
    record = server.images()["chest_denoised"]["image"]["info"]["provenance"]
    assert record["options"]["noise_level"] == 200
    assert record["options"]["model_filename"] == "model.pt"


def test_slicer_gets_no_ct_as_a_label_map(server):
    asked = {"result_extension": ".nrrd", "result_dtype": "uint8"}
    answer = server.infer("ct_denoising", "chest", output=None, **asked)
    assert answer.json()["images"] == ["chest_denoised"]
    assert (
        b"image" in server.infer("ct_anomaly_detection", "chest", output=None, preset="fast", **asked).content
    )


def test_batch_saves_masks_but_no_ct_as_labels(server):
    options = {"preset": "fast", "multi_gpu": False}  # without it MONAI Label wants a GPU
    for model in ("ct_denoising", "ct_anomaly_detection"):
        assert server.call("POST", f"/batch/infer/{model}?images=all", json=options).ok
        task = wait(server, "/batch/infer/")
        assert task["status"] == "DONE", "\n".join(task["details"])
    labels = server.images()["chest"]["labels"]
    assert labels["original"]["info"]["model"] == "ct_anomaly_detection"


def test_dicom_folder_by_its_path(server, tmp_path, save_dicom):
    hu = make_phantom("chest", shape=(32, 32, 24), spacing=(10.0, 10.0, 12.0), seed=1).hu
    folder = save_dicom(tmp_path / "series", hu, np.diag([-10.0, -10.0, 12.0, 1.0]))
    assert volume(server.infer("ct_denoising", str(folder)), tmp_path).shape == (32, 32, 24)
    assert "series_denoised" in server.images()


def test_uploaded_ct(server, phantoms, tmp_path):
    assert volume(server.infer("ct_denoising", upload=phantoms["chest"]), tmp_path).shape == (64, 64, 48)


def test_anomalies_are_a_mask_and_the_map_a_new_image(server, tmp_path):
    mask = volume(server.infer("ct_anomaly_detection", "chest", organ="lung", preset="fast"), tmp_path)
    assert mask.dtype == np.uint8
    assert set(np.unique(mask)) <= {0, 1}
    assert "chest_anomaly_map" in server.images()
    wrong = server.infer("ct_anomaly_detection", "chest", organ="spoon")
    assert wrong.status_code == 400
    assert "spoon" in wrong.json()["detail"]


def test_inpainted_ct_is_a_new_image_with_its_mask(server, phantoms, tmp_path):
    few = {"preset": "fast"}
    drawn = np.asarray(nib.load(phantoms["lesion"]).dataobj)
    answer = server.infer("ct_lesion_inpainting", "chest", label=phantoms["lesion"], **few)
    assert np.array_equal(volume(answer, tmp_path), drawn)
    assert "original" in server.images()["chest_inpainted"]["labels"]
    original = np.asarray(nib.load(phantoms["chest"]).dataobj)
    ours = volume(server.call("GET", "/datastore/image?image=chest_inpainted"), tmp_path)
    assert np.array_equal(ours[drawn == 0], original[drawn == 0])
    assert (ours[drawn == 1] != original[drawn == 1]).any()
    sampled = volume(server.infer("ct_lesion_inpainting", "chest", seed=3, **few), tmp_path)
    assert 0 < sampled.sum() != drawn.sum()


@pytest.mark.parametrize(
    ("model", "options", "added"),
    [
        ("ct_super_resolution", {"slice_thickness": 3}, "chest_superres"),
        ("ct_foundation", {}, "chest_reconstruction"),
    ],
)
def test_other_bundles_on_a_ct(server, tmp_path, model, options, added):
    slices = volume(server.infer(model, "chest", **options), tmp_path).shape[2]
    assert slices == (96 if "slice_thickness" in options else 48)
    assert added in server.images()


def test_synthesis_from_an_anatomy_map_of_the_studies(server, phantoms, tmp_path):
    files = {"file": ("map.nii.gz", phantoms["anatomy"].read_bytes())}
    assert server.call("PUT", "/datastore/?image=map", files=files).ok
    few = {"region": "chest", "preset": "fast"}
    assert volume(server.infer("ct_synthesis", "map", **few), tmp_path).min() < -500
    assert volume(server.infer("ct_lesion_generation", "map", **few), tmp_path).sum() > 0
    drawn = server.infer("ct_lesion_generation", "map", label=phantoms["lesion"], **few)
    assert np.array_equal(volume(drawn, tmp_path), np.asarray(nib.load(phantoms["lesion"]).dataobj))
    assert {"map_synthetic", "map_lesion"} <= server.images().keys()


def test_mistakes_are_answered_with_a_sentence(server):
    unknown = server.infer("ct_denoising", "nobody")
    assert unknown.status_code == 404
    wrong = server.infer("ct_denoising", "chest", noise_level="loud")
    assert (wrong.status_code, wrong.json()["detail"][:14]) == (400, "noise_level is")


def wait(server, path: str) -> dict:
    """The state of a background task at its end."""
    end = time.monotonic() + _TASK_SECONDS
    while time.monotonic() < end:
        task = server.call("GET", path).json()
        if task["status"] not in ("SUBMITTED", "RUNNING"):
            return task
        time.sleep(1)
    pytest.fail(f"{path} took more than {_TASK_SECONDS} s.")


def test_training_makes_weights_that_can_be_chosen(server, phantoms, tmp_path):
    files = {"label": ("chest.nii.gz", phantoms["lesion"].read_bytes())}
    assert server.call("PUT", "/datastore/label?image=chest&tag=final", files=files).ok
    short = {"max_epochs": 1, "epoch_length": 2, "batch_size": 1, "patch_size": 32, "num_workers": 0}
    for model in ("ct_foundation", "ct_lesion_generation"):
        assert server.call("POST", f"/train/{model}", json=short).ok
        task = wait(server, "/train/")
        assert task["status"] == "DONE", "\n".join(task["details"])
        weights = server.call("GET", "/info/").json()["models"][model]["config"]["model_filename"]
        assert weights == ["model.pt", "model_finetuned.pt"]
    shipped = volume(server.infer("ct_foundation", "chest"), tmp_path)
    tuned = volume(server.infer("ct_foundation", "chest", model_filename="model_finetuned.pt"), tmp_path)
    difference = np.abs(shipped.astype(float) - tuned)
    assert 0 < difference.mean() < 50  # two steps away, not a network that starts from nothing
    files = {"file": ("map.nii.gz", phantoms["anatomy"].read_bytes())}
    assert server.call("PUT", "/datastore/?image=tuned", files=files).ok
    options = {"region": "chest", "preset": "fast", "model_filename": "model_finetuned.pt"}
    assert volume(server.infer("ct_lesion_generation", "tuned", **options), tmp_path).sum() > 0
