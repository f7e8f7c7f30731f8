"""The anomaly benchmark, on tiny scans and with an untrained network."""

import json

import benchmark
import nibabel as nib
import numpy as np
import pytest
import torch
from benchmarks import anomaly_cases, anomaly_methods
from benchmarks.lesions import insert_lesions
from scipy import ndimage

from meddiff_core.errors import InputError
from meddiff_core.networks.ct_denoiser import CTDenoiser

SHAPE = (40, 40, 24)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "model.pt"
    torch.save(CTDenoiser().state_dict(), path)
    return path


@pytest.fixture
def folder(tmp_path):
    """A muscle of 50 HU in fat with a bright ball in it, and two others without; masks beside them."""
    ball = np.linalg.norm(np.indices(SHAPE).T - (20, 20, 12), axis=-1).T < 4
    organ = np.zeros(SHAPE, np.uint8)
    organ[8:32, 8:32, 4:20] = 1
    for number, name in enumerate(("sick", "healthy_1", "healthy_2")):
        noise = np.random.default_rng(number).normal(0, 10, SHAPE)
        hu = np.where(organ, 50, -100) + ndimage.gaussian_filter(noise, 1) + 60 * ball * (name == "sick")
        _save(tmp_path / f"{name}.nii.gz", hu.astype(np.int16))
    _save(tmp_path / "organ.nii.gz", organ)
    _save(tmp_path / "ball.nii.gz", ball.astype(np.uint8))
    return tmp_path


def _save(path, array):
    nib.save(nib.Nifti1Image(array, np.diag([2.0, 2.0, 3.0, 1.0])), path)


def _item(image, **options):
    return {
        "image": f"{image}.nii.gz",
        "organ": "organ.nii.gz",
        "organ_name": "body",
        "region": "abdomen",
    } | options


def _measure(folder, cases, references=None, **options):
    """Rows of a run; two healthy references unless others are given."""
    references = references or [_item("healthy_1"), _item("healthy_2")]
    path = folder / "datalist.json"
    path.write_text(json.dumps({"validation": cases, "reference": references}))
    defaults = {"spacing": None, "methods": "zscore,blur"}
    benchmark.anomaly(str(folder / "out"), str(path), **(defaults | options))
    return json.loads((folder / "out" / "anomaly.json").read_text())


def test_every_method_finds_a_bright_ball_and_says_how(folder, weights, monkeypatch):
    parts = anomaly_methods.bundle_parts
    monkeypatch.setattr(
        anomaly_methods, "bundle_parts", lambda *names, **options: parts(*names, **options, samples=1)
    )
    rows = _measure(
        folder,
        [_item("sick", lesion="ball.nii.gz")],
        methods="zscore,blur,padim,ours",
        weights=str(weights),
    )
    assert [row["method"] for row in rows] == ["zscore", "blur", "padim", "ours"]
    for row in rows[:2]:
        assert row["pixel_auroc"] > 0.95
        assert row["image_auroc"] == 1.0
        assert row["dice"] > 0.25
        assert "smoothing" in row["setting"]
    assert all(0 <= row["pixel_auroc"] <= 1 for row in rows)
    assert "| sick | abdomen | bright | ours |" in (folder / "out" / "anomaly.md").read_text()


def test_polarity_holds_for_every_method(folder):
    cases = [_item("sick", lesion="ball.nii.gz", polarity=polarity) for polarity in ("dark", "both")]
    rows = _measure(folder, cases)
    assert all(row["pixel_auroc"] < 0.4 for row in rows if row["polarity"] == "dark")
    assert all(row["pixel_auroc"] > 0.9 for row in rows if row["polarity"] == "both")


def test_lesions_are_inserted_with_the_seed(folder):
    cases = [_item("healthy_1", insert={"contrast": 60, "count": 1, "radius": [6, 8]})]
    first, again, other = (_measure(folder, cases, seed=seed)[0] for seed in (1, 1, 2))
    first, again, other = ({**row, "seconds": 0} for row in (first, again, other))
    assert first == again != other
    assert first["pixel_auroc"] > 0.95


def test_an_organ_may_be_named_alone(folder):
    item = {"image": "healthy_1.nii.gz", "organ_name": "body", "region": "abdomen"}
    row = _measure(folder, [item | {"insert": {"value": 200, "count": 1, "radius": [5, 6]}}], [item])[0]
    assert row["pixel_auroc"] > 0.8


def test_a_case_is_not_its_own_reference(folder):
    cases = [_item("sick", lesion="ball.nii.gz", patient="one")]
    rows = _measure(folder, cases, [_item("healthy_1", patient="one")])
    assert all(row["threshold"] is None and "dice" not in row for row in rows)


def test_resampling_keeps_what_it_measures(folder):
    row = _measure(folder, [_item("sick", lesion="ball.nii.gz")], spacing=3.0)[0]
    assert row["pixel_auroc"] > 0.95


def test_phantoms_stand_in_where_no_list_is_given(tmp_path, monkeypatch):
    make = anomaly_cases.make_phantom
    monkeypatch.setattr(
        anomaly_cases,
        "make_phantom",
        lambda region, **options: make(region, (48, 48, 32), (6.6, 6.6, 9.0), **options),
    )
    monkeypatch.delitem(anomaly_cases._PHANTOMS, "abdomen")  # for the time it takes
    benchmark.anomaly(str(tmp_path), methods="zscore")
    rows = json.loads((tmp_path / "anomaly.json").read_text())
    assert [row["case"] for row in rows] == ["phantom_chest_0"]
    assert rows[0]["pixel_auroc"] > 0.9


@pytest.mark.parametrize(
    ("change", "options", "named"),
    [
        ({}, {"methods": "magic"}, "magic"),
        ({"region": "leg"}, {}, "leg"),
        ({"polarity": "loud"}, {}, "loud"),
        ({"insert": {"count": 1}}, {}, "contrast or value"),
        ({"insert": {"contrast": 40, "radius": [60, 60]}}, {}, "60 mm"),
    ],
)
def test_a_mistake_is_named(folder, change, options, named):
    with pytest.raises(InputError, match=named):
        _measure(folder, [_item("healthy_1") | change], **options)


def test_padim_with_one_reference(folder, weights):
    cases = [_item("sick", lesion="ball.nii.gz")]
    row = _measure(folder, cases, [_item("healthy_1")], methods="padim", weights=str(weights))[0]
    assert row["threshold"] > 0


def test_padim_without_a_reference_says_so(folder, weights):
    cases = [_item("sick", lesion="ball.nii.gz", patient="one")]
    with pytest.raises(InputError, match="PaDiM needs a reference of region abdomen for sick"):
        _measure(folder, cases, [_item("healthy_1", patient="one")], methods="padim", weights=str(weights))


def test_inserted_lesions_are_where_the_mask_says_and_inside_the_organ():
    organ = np.zeros((48, 48, 32), dtype=bool)
    organ[6:42, 6:42, 4:28] = True
    hu = np.where(organ, -850.0, 40.0)
    result, mask = insert_lesions(hu, organ, (2, 2, 2), count=3, radius=(5, 8), value=30, seed=3)
    assert ndimage.label(mask)[1] == 3
    assert (mask & ~organ).sum() == 0
    assert np.abs(result[ndimage.binary_erosion(mask)].mean() - 30) < 15
    assert np.array_equal(
        result[~ndimage.binary_dilation(mask, iterations=3)], hu[~ndimage.binary_dilation(mask, iterations=3)]
    )
