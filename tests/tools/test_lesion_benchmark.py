"""The lesion benchmark, on tiny scans and with an untrained network."""

from __future__ import annotations

import json

import benchmark
import nibabel as nib
import numpy as np
import pytest
from benchmarks import bundle, lesion_cases
from benchmarks.lesion_peers import copy_and_blend, texture
from benchmarks.scans import Scan
from scipy import ndimage

from meddiff_core.errors import InputError
from meddiff_core.metrics import lesion_segmenter
from meddiff_core.metrics.lesion_segmenter import segmenter_network
from meddiff_core.networks.controlled_denoiser import ControlledDenoiser
from meddiff_core.networks.ct_denoiser import CTDenoiser
from meddiff_core.training.weight_export import export_weights

SHAPE = (40, 40, 24)
AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])


@pytest.fixture(scope="module")
def generation_root(tmp_path_factory):
    """A bundle with an untrained part."""
    root = tmp_path_factory.mktemp("ct_lesion_generation")
    export_weights(ControlledDenoiser(CTDenoiser()).control, root / "models" / "model.pt")
    return str(root)


def scan(seed, centre, radius, inside=50.0):
    """Fat with a muscle that has a ball of a lesion, and its mask."""
    places = np.indices(SHAPE).T * (2, 2, 3)
    distance = np.linalg.norm(places - np.multiply(centre, (2, 2, 3)), axis=-1).T
    lesion = distance < radius
    hu = np.full(SHAPE, -100.0)
    hu[8:32, 8:32, 4:20] = 20
    hu[lesion] = inside
    return (hu + np.random.default_rng(seed).normal(0, 10, SHAPE)).astype(np.float32), lesion


@pytest.fixture
def folder(tmp_path):
    """`datalist.json`: a case, and two donors of 50 and 70 HU."""
    items = {}
    for number, (name, centre, radius, inside) in enumerate(
        [("case", (20, 20, 12), 14, 50), ("one", (18, 22, 11), 12, 50), ("two", (21, 19, 12), 16, 70)]
    ):
        hu, lesion = scan(number, centre, radius, inside)
        nib.save(nib.Nifti1Image(hu.astype(np.int16), AFFINE), tmp_path / f"{name}.nii.gz")
        nib.save(nib.Nifti1Image(lesion.astype(np.uint8), AFFINE), tmp_path / f"{name}_lesion.nii.gz")
        items[name] = {"image": f"{name}.nii.gz", "lesion": f"{name}_lesion.nii.gz", "region": "abdomen"}
    items["case"]["patient"] = items["one"]["patient"] = "the same"
    write(tmp_path, [items["case"]], [{"image": "one.nii.gz"}, items["one"] | {"patient": "1"}, items["two"]])
    return tmp_path


def write(folder, cases, donors):
    (folder / "datalist.json").write_text(json.dumps({"validation": cases, "training": donors}))


def measure(folder, **options):
    chosen = {"methods": "copy,texture", "samples": 2} | options
    benchmark.lesion(str(folder / "out"), str(folder / "datalist.json"), **chosen)
    return json.loads((folder / "out" / "lesion.json").read_text())


def case_of(seed=0, centre=(20, 20, 12), radius=14, inside=50.0, name="case"):
    hu, lesion = scan(seed, centre, radius, inside)
    return Scan(name, hu, AFFINE, "abdomen", name, np.full(SHAPE, 118, np.uint8), lesion=lesion)


def test_every_method_is_measured_and_says_how(folder, generation_root, tmp_path, monkeypatch):
    fast = bundle.bundle_parts
    monkeypatch.setattr(
        "benchmarks.lesion_methods.bundle_parts",
        lambda *args, **options: fast(*args, **options, steps=2, jump_rounds=1),
    )
    monkeypatch.setattr(lesion_segmenter, "GRID_MM", 6.0)
    export_weights(segmenter_network(), tmp_path / "segmenter.pt")
    rows = measure(
        folder,
        methods="copy,texture,ours",
        samples=1,
        generation_root=generation_root,
        segmenter=str(tmp_path / "segmenter.pt"),
    )
    assert [row["method"] for row in rows] == ["copy", "texture", "ours"]
    assert [row["draws"] for row in rows] == [2, 1, 1]
    for row in rows:
        assert row["outside_difference"] == 0
        assert row["histogram_distance"] >= row["hu_error"] - 1e-3 >= -1e-3
        assert 0 <= row["dice"] <= 1 and 0 <= row["dice_real"] <= 1
    assert rows[0]["hu_error"] < 15 and "feather" in rows[0]["setting"]
    assert "grain" in rows[1]["setting"] and rows[2]["setting"] == "default"
    table = (folder / "out" / "lesion.md").read_text()
    assert "| case | abdomen | 11.2 | ours | 1 |" in table
    assert "Peers at the setting that is best" in table


def test_a_case_is_not_its_own_donor(folder):
    items = json.loads((folder / "datalist.json").read_text())
    donors = [items["training"][1] | {"patient": "the same"}, items["training"][2] | {"region": "chest"}]
    write(folder, items["validation"], donors)
    for method in ("copy", "texture"):
        with pytest.raises(InputError, match="case has no donor: add a abdomen lesion of another patient"):
            measure(folder, methods=method)


def test_a_copy_has_the_hu_of_its_donor_at_the_same_depth():
    case, donor = case_of(), case_of(seed=1, centre=(18, 22, 11), radius=16, inside=0)
    depth = ndimage.distance_transform_edt(donor.lesion, donor.spacing)
    donor.hu[donor.lesion] = 10 * depth[donor.lesion]
    made = copy_and_blend(case, donor, feather=0, match=False)
    own = ndimage.distance_transform_edt(case.lesion, case.spacing)
    share = made[case.lesion] / (10 * depth.max()) - own[case.lesion] / own.max()
    assert np.abs(share).mean() < 0.1
    assert np.array_equal(made[~case.lesion], case.hu[~case.lesion])


def test_a_copy_of_itself_is_the_lesion():
    case = case_of()
    made = copy_and_blend(case, case, feather=0, match=True)
    np.testing.assert_allclose(made, case.hu, atol=1e-4)


def test_the_contrast_is_kept_where_that_is_asked_for():
    case, donor = case_of(), case_of(seed=1, inside=90)
    donor.hu[~donor.lesion] += 40
    plain, matched = (copy_and_blend(case, donor, 0, match)[case.lesion].mean() for match in (False, True))
    assert plain == pytest.approx(90, abs=2)
    assert matched == pytest.approx(50, abs=5)


def test_nothing_of_the_real_lesion_is_shown_to_a_method():
    case = case_of(inside=300)
    assert case.without_lesion[case.lesion].max() < 100
    other = case_of(inside=-300)
    for make in (
        lambda case: copy_and_blend(case, case_of(seed=1), feather=3, match=True),
        lambda case: texture(case, [case_of(seed=1)], grain=1, feather=3, seed=0),
    ):
        np.testing.assert_array_equal(make(case), np.where(other.lesion, make(other), case.hu))


def test_texture_has_the_mean_and_deviation_of_the_donors():
    case, donors = case_of(), [case_of(seed=1, inside=40), case_of(seed=2, inside=60)]
    made = texture(case, donors, grain=2, feather=0, seed=0)
    assert made[case.lesion].mean() == pytest.approx(50, abs=5)
    assert made[case.lesion].std() == pytest.approx(10, abs=1)
    assert not np.array_equal(made, texture(case, donors, grain=2, feather=0, seed=1))
    edge = texture(case, donors, grain=2, feather=10, seed=0)
    assert np.array_equal(edge[~case.lesion], case.hu[~case.lesion])
    assert abs(edge[case.lesion].mean() - 20) < abs(made[case.lesion].mean() - 20)


def test_phantoms_stand_in_where_no_list_is_given(tmp_path, monkeypatch):
    make = lesion_cases.make_phantom
    small = {"shape": (48, 48, 40), "spacing": (6.6, 6.6, 7.2)}
    monkeypatch.setattr(
        lesion_cases, "make_phantom", lambda region, **options: make(region, **small, **options)
    )
    benchmark.lesion(str(tmp_path), methods="texture", samples=1)
    rows = json.loads((tmp_path / "lesion.json").read_text())
    assert [row["case"] for row in rows] == ["phantom_chest_0", "phantom_abdomen_0"]


@pytest.mark.parametrize(
    ("change", "options", "named"),
    [
        ({}, {"methods": "magic"}, "magic"),
        ({"region": "leg"}, {}, "leg"),
        ({"region": None}, {}, "None"),
        ({}, {"methods": "copy", "segmenter": "none.pt"}, "none.pt"),
        ({"lesion": "case.nii.gz"}, {"methods": "copy"}, "lesion map .*case.nii.gz"),
    ],
)
def test_a_mistake_is_named(folder, change, options, named):
    items = json.loads((folder / "datalist.json").read_text())
    write(folder, [items["validation"][0] | change], items["training"])
    with pytest.raises(InputError, match=named):
        measure(folder, **options)
