import hashlib
import json
from pathlib import Path

import pytest
import torch

from meddiff_core.errors import InputError
from meddiff_core.transforms.provenance import DESCRIPTION_LENGTH, Provenance

BUNDLES = Path(__file__).parents[2] / "bundles"
NAMES = sorted(path.name for path in BUNDLES.iterdir() if path.is_dir())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", [0, 2**32 - 1])
def test_description_fits_and_says_what_it_is(name, seed):
    line = Provenance(BUNDLES / name, {"seed": seed}).description("anomaly_mask")
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
    record = Provenance(BUNDLES / "ct_denoising", options).record(
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
    provenance = Provenance(BUNDLES / "ct_lesion_generation", {"seed": 40})
    meta = {"filename_or_obj": "a.nii.gz", "sample": sample, "number": "3"}
    assert provenance.record(meta)["seed"] == 42
    assert provenance.record(meta)["options"]["seed"] == 40
    assert "seed 42" in provenance.description("lesion", meta)
    assert provenance.seed() == 40


def test_no_folder_and_no_patient():
    options = {"seed": 0, "anatomy": Path("/data/Doe^Jane/map.nii.gz"), "lesion": ["C:\\Doe\\mask.nii.gz"]}
    meta = {
        "filename_or_obj": "/data/Doe^Jane/scan.nii.gz",
        "PatientName": "Doe^Jane",
        "affine": torch.eye(4),
    }
    text = json.dumps(Provenance(BUNDLES / "ct_synthesis", options).record(meta))
    assert "Doe" not in text and "/data" not in text
    assert '"map.nii.gz"' in text and '"mask.nii.gz"' in text and '"scan.nii.gz"' in text


def test_weights_are_those_that_are_used(tmp_path):
    own = tmp_path / "Doe^Jane" / "models" / "model.pt"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"weights")
    provenance = Provenance(BUNDLES / "ct_denoising", weights=[own, None, tmp_path / "missing.pt"])
    sums = provenance.record({"filename_or_obj": "a.nii.gz"})["weights_sha256"]
    assert sums == {"model.pt": hashlib.sha256(b"weights").hexdigest()}


@pytest.mark.parametrize("seed", ["abc", 1.5, -1, True, None, float("nan"), 2**32])
def test_a_wrong_seed(seed):
    with pytest.raises(InputError, match=r"seed is .*: use a whole number from 0"):
        Provenance(BUNDLES / "ct_denoising", {"seed": seed})


def test_no_bundle(tmp_path):
    with pytest.raises(InputError, match="name the bundle's folder by bundle_root"):
        Provenance(tmp_path)
