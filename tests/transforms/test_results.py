import hashlib
import json
from pathlib import Path

import pytest
import torch

from meddiff_core.errors import InputError
from meddiff_core.transforms.results import DESCRIPTION_LENGTH, Results

BUNDLES = Path(__file__).parents[2] / "bundles"
NAMES = sorted(path.name for path in BUNDLES.iterdir() if path.is_dir())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", [0, 2**32 - 1])
def test_description_fits_and_says_what_it_is(name, seed):
    line = Results(bundle_root=BUNDLES / name, options={"seed": seed}).description("anomaly_mask")
    assert len(line) <= DESCRIPTION_LENGTH and line.isascii()
    assert line.startswith(name) and f"seed {seed}" in line
    assert "synthetic" in line or "processed" in line
    assert line.endswith("research use only")


def test_record_is_json_and_names_what_made_it():
    options = {
        "seed": 3,
        "device": torch.device("cpu"),
        "lesion_diameter": (8, 20),
        "threshold": {"chest": 166},
    }
    record = Results(bundle_root=BUNDLES / "ct_denoising", options=options).record(
        {
            "filename_or_obj": "scan.nii.gz",
            "region": "chest",
            "noise_level": torch.tensor([27.0]),
            "number": "",
        }
    )
    assert json.loads(json.dumps(record)) == record
    assert (record["bundle"], record["kind"], record["seed"]) == ("ct_denoising", "processed", 3)
    assert record["options"] == options | {"device": "cpu", "lesion_diameter": [8, 20]}
    assert record["scan"] == {"region": "chest", "noise_level": 27.0}
    assert {"meddiff_core", "monai", "torch", "numpy", "python"} <= record["software"].keys()


@pytest.mark.parametrize("sample", [2, torch.tensor([2]), [2]])
def test_each_sample_has_the_seed_that_made_it(sample):
    results = Results(bundle_root=BUNDLES / "ct_lesion_generation", options={"seed": 40})
    meta = {"filename_or_obj": "a.nii.gz", "sample": sample, "number": "3"}
    assert results.record(meta)["seed"] == 42
    assert results.record(meta)["options"]["seed"] == 40
    assert "seed 42" in results.description("lesion", meta)
    assert results.seed() == 40


def test_no_folder_and_no_patient():
    options = {"seed": 0, "anatomy": Path("/data/Doe^Jane/map.nii.gz"), "lesion": ["C:\\Doe\\mask.nii.gz"]}
    meta = {
        "filename_or_obj": "/data/Doe^Jane/scan.nii.gz",
        "PatientName": "Doe^Jane",
        "affine": torch.eye(4),
    }
    text = json.dumps(Results(bundle_root=BUNDLES / "ct_synthesis", options=options).record(meta))
    assert "Doe" not in text and "/data" not in text
    assert '"map.nii.gz"' in text and '"mask.nii.gz"' in text and '"scan.nii.gz"' in text


def test_weights_are_those_that_are_used(tmp_path):
    own = tmp_path / "Doe^Jane" / "models" / "model.pt"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"weights")
    results = Results(bundle_root=BUNDLES / "ct_denoising", weights=[own, None, tmp_path / "missing.pt"])
    sums = results.record({"filename_or_obj": "a.nii.gz"})["weights_sha256"]
    assert sums == {"model.pt": hashlib.sha256(b"weights").hexdigest()}


@pytest.mark.parametrize("seed", ["abc", 1.5, -1, True, None, float("nan"), 2**32])
def test_a_wrong_seed(seed):
    with pytest.raises(InputError, match=r"seed is .*: use a whole number from 0"):
        Results(bundle_root=BUNDLES / "ct_denoising", options={"seed": seed})


def test_no_bundle(tmp_path):
    with pytest.raises(InputError, match="name the bundle's folder by bundle_root"):
        Results(bundle_root=tmp_path)


def test_the_options_of_the_inferer_are_recorded():
    class Inferer:
        options = {"steps": 5, "seed": 9}

    results = Results(bundle_root=BUNDLES / "ct_denoising", options={"preset": "fast"}, inferer=Inferer())
    assert results.options == {"preset": "fast", "steps": 5, "seed": 9}
    assert results.seed() == 9


def test_where_results_lie(tmp_path):
    results = Results(tmp_path)
    assert results.path({"filename_or_obj": "/data/a.nii.gz"}, "lesion", ".png") == tmp_path / "a_lesion.png"
    meta = {"filename_or_obj": "/data/a.nii.gz", "number": "2"}
    assert results.path(meta, "lesion") == tmp_path / "a_lesion_2"


def test_without_a_bundle_there_is_no_record(tmp_path):
    Results(tmp_path).write_record(tmp_path / "a.json", {"filename_or_obj": "a.nii.gz"})
    assert not any(tmp_path.iterdir())
    assert Results(tmp_path).description("denoised") == "MedDiff-FM denoised, research use only"
