"""The inpainting bundle from file to file, with a trained part that was never trained."""

from __future__ import annotations

import json
import re

import nibabel as nib
import numpy as np
import pytest
import torch

from meddiff_core.conditions.regions import region_window
from meddiff_core.conditions.vocabulary import label_id
from meddiff_core.errors import user_sentence
from meddiff_core.networks.controlled_denoiser import ControlledDenoiser
from meddiff_core.networks.ct_denoiser import CTDenoiser
from meddiff_core.phantoms import make_phantom
from meddiff_core.training.weight_export import export_weights

SHAPE, SPACING = (32, 32, 24), (10.0, 10.0, 12.0)
FEW = {"steps": 2, "jump_length": 1, "jump_rounds": 1, "region": "abdomen"}
NO_PICTURE = {"postprocessing#transforms#5#_disabled_": True}
BALL = (slice(12, 16), slice(14, 18), slice(10, 13))


@pytest.fixture(scope="module")
def generation_root(tmp_path_factory):
    """A folder like that of ct_lesion_generation, with a trained part that does something."""
    torch.manual_seed(0)
    part = ControlledDenoiser(CTDenoiser("compact")).control
    with torch.no_grad():
        for parameter in part.parameters():
            parameter += 0.02 * torch.randn_like(parameter)
    root = tmp_path_factory.mktemp("ct_lesion_generation")
    export_weights(part, root / "models" / "model.pt")
    return root


@pytest.fixture(scope="module")
def small():
    """A small abdomen."""
    return make_phantom("abdomen", SHAPE, SPACING, seed=1)


@pytest.fixture(scope="module")
def mask():
    """A lesion in the middle of it."""
    lesion = np.zeros(SHAPE, np.uint8)
    lesion[BALL] = 1
    return lesion


@pytest.fixture
def files(tmp_path, small, mask, save_nifti):
    """files(affine=the phantom's) -> image and lesion."""

    def save(affine=small.affine):
        arrays = {"image": small.hu, "lesion": mask}
        return {name: str(save_nifti(tmp_path / f"{name}.nii.gz", a, affine)) for name, a in arrays.items()}

    return save


@pytest.fixture
def workflow(bundle, generation_root):
    """workflow(output_dir, picture=False, **options): inference.json with two steps."""

    def build(output_dir, picture=False, configs=("inference.json",), **options):
        chosen = FEW | {"output_dir": str(output_dir), "generation_root": str(generation_root)} | options
        return bundle("ct_lesion_inpainting", *configs, **chosen, **({} if picture else NO_PICTURE))

    return build


def read(path):
    """HU array of a NIfTI file."""
    return np.asarray(nib.load(path).dataobj)


def test_outside_of_the_mask_nothing_changes_on_any_grid(workflow, files, affine, small, mask, tmp_path):
    workflow(tmp_path / "out", **files(affine)).run()
    result = nib.load(tmp_path / "out" / "image_inpainted.nii.gz")
    assert result.get_data_dtype() == np.int16 and result.shape == SHAPE
    np.testing.assert_allclose(result.affine, affine, atol=1e-4)
    assert "synthetic, research use only" in result.header["descrip"].item().decode()
    hu, inside = np.asarray(result.dataobj), mask > 0
    np.testing.assert_array_equal(hu[~inside], small.hu[~inside])
    assert (hu[inside] != small.hu[inside]).mean() > 0.8
    written = nib.load(tmp_path / "out" / "image_inpainted_mask.nii.gz")
    np.testing.assert_array_equal(np.asarray(written.dataobj), mask)
    np.testing.assert_allclose(written.affine, affine, atol=1e-4)


def test_hu_with_a_fractional_slope_are_rounded_and_else_kept(workflow, files, small, mask, tmp_path):
    paths = files()
    stored = nib.Nifti1Image(np.rint(small.hu / 0.3).astype(np.int16), small.affine)
    stored.header.set_slope_inter(0.3, 0)
    nib.save(stored, paths["image"])
    workflow(tmp_path / "out", picture=True, **paths).run()
    assert (tmp_path / "out" / "image_inpainted.png").stat().st_size > 10_000
    loaded = np.asarray(nib.load(paths["image"]).dataobj, dtype=np.float32)
    result = read(tmp_path / "out" / "image_inpainted.nii.gz")
    assert (loaded != np.rint(loaded)).any()
    np.testing.assert_array_equal(result[mask == 0], np.rint(loaded[mask == 0]))


def test_a_scan_stored_otherwise_gets_the_same_lesion(workflow, small, mask, save_nifti, tmp_path):
    for name, axes in (("straight", None), ("turned", [[1, -1], [2, 1], [0, -1]])):
        paths = {}
        for key, array in (("image", small.hu), ("lesion", mask)):
            volume = nib.Nifti1Image(array, small.affine)
            volume = volume if axes is None else volume.as_reoriented(np.array(axes))
            (tmp_path / name).mkdir(exist_ok=True)
            paths[key] = str(save_nifti(tmp_path / name / f"{key}.nii.gz", volume.dataobj, volume.affine))
        workflow(tmp_path / name, **paths).run()
    straight, turned = (nib.load(tmp_path / n / "image_inpainted.nii.gz") for n in ("straight", "turned"))
    back = np.asarray(nib.as_closest_canonical(turned).dataobj)
    np.testing.assert_array_equal(back, np.asarray(straight.dataobj))


def test_samples_are_numbered_differ_in_place_and_content_and_come_out_the_same_again(
    workflow, files, tmp_path
):
    options = {"image": files()["image"], "samples": 2, "organ": "body", "lesion_diameter": [50, 60]}
    for folder in ("a", "b"):
        workflow(tmp_path / folder, **options).run()
    volumes = [f"image_inpainted_{n}{kind}.nii.gz" for n in (1, 2) for kind in ("", "_mask")]
    assert sorted(path.name for path in (tmp_path / "a").glob("*.nii.gz")) == sorted(volumes)
    for name in volumes:
        assert read(tmp_path / "a" / name).tobytes() == read(tmp_path / "b" / name).tobytes()
    first, second = (read(tmp_path / "a" / name) for name in volumes[1::2])
    assert first.any() and second.any() and (first != second).any()


def test_samples_of_one_mask_differ_within_it(workflow, files, mask, tmp_path):
    workflow(tmp_path, samples=2, layout="nnunet", **files()).run()
    images = sorted(tmp_path.glob("Dataset900_SyntheticLesion/imagesTr/*.nii.gz"))
    assert [path.name for path in images] == [
        "image_inpainted_1_0000.nii.gz",
        "image_inpainted_2_0000.nii.gz",
    ]
    one, two = map(read, images)
    np.testing.assert_array_equal(one != two, (mask > 0) & (one != two))
    assert (one != two).any()


def test_the_network_sees_the_anatomy_without_the_lesion_and_the_mask(
    workflow, small, files, save_nifti, tmp_path
):
    paths, hu = files(), np.array(small.hu)
    hu[BALL] = 900
    save_nifti(tmp_path / "image.nii.gz", hu, small.affine)
    (item,) = workflow(tmp_path, **paths).parser.get_parsed_content("dataset")
    image, anatomy, lesion = item["image"].numpy()
    assert lesion[BALL].min() == 1 and lesion.sum() == lesion[BALL].size
    assert image[BALL].min() > 1
    assert (anatomy[BALL] == label_id("bone")).mean() < 0.2
    assert label_id("bone") in anatomy
    assert set(np.unique(anatomy)) - {0} <= {
        label_id(name) for name in ("body", "fat", "bone", "lung", "airway_gas")
    }
    given = str(save_nifti(tmp_path / "map.nii.gz", small.anatomy, small.affine))
    (item,) = workflow(tmp_path, anatomy=given, **paths).parser.get_parsed_content("dataset")
    outside = np.ones(SHAPE, bool)
    outside[tuple(slice(along.start - 1, along.stop + 1) for along in BALL)] = False
    np.testing.assert_array_equal(item["image"].numpy()[1][outside], small.anatomy[outside])


def test_what_was_there_does_not_shine_through(workflow, small, files, save_nifti, tmp_path):
    """Bone within the mask, in a window that ends below bone."""
    paths, hu = files(), np.array(small.hu)
    hu[BALL] = 1500
    save_nifti(tmp_path / "image.nii.gz", hu, small.affine)
    workflow(tmp_path, feather=0, **paths).run()
    assert read(tmp_path / "image_inpainted.nii.gz")[BALL].max() <= region_window("abdomen").upper


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"samples": 0}, "samples is 0"),
        ({"region": "leg"}, "Unknown region 'leg'"),
        ({"steps": 0}, "steps is 0"),
        ({"jump_rounds": 0}, "jump_rounds is 0"),
        ({"feather": -2}, "feather is -2"),
        ({"layout": "zip"}, "layout is 'zip'"),
        ({"organ": "spaceship"}, "spaceship"),
        ({"lesion": None, "organ": "liver"}, "shows no liver"),
        ({"lesion": None, "lesion_diameter": [400, 500]}, "no room"),
        ({"image": "missing.nii.gz"}, "missing.nii.gz does not exist"),
        ({"lesion": "missing.nii.gz"}, "missing.nii.gz does not exist"),
        ({"generation_root": "nowhere"}, "Weights nowhere.* are missing"),
        ({"foundation_root": "nowhere"}, "Weights nowhere.* are missing"),
    ],
)
def test_bad_options_are_named_in_one_sentence(workflow, files, tmp_path, options, words):
    with pytest.raises((RuntimeError, SystemExit)) as caught:
        workflow(tmp_path / "out", **files() | options).run()
    error = caught.value
    sentence = str(error) if isinstance(error, SystemExit) else user_sentence(error)
    assert re.search(words, sentence)
    assert "\n" not in sentence
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("wrong", ["empty", "outside", "other grid", "shifted"])
def test_a_mask_that_is_none_is_refused_in_one_sentence(
    workflow, files, small, mask, save_nifti, tmp_path, wrong
):
    paths, affine = files(), small.affine.copy()
    lesion = np.zeros_like(mask) if wrong in ("empty", "outside") else mask
    if wrong == "outside":
        lesion[:2, :2] = 1
    if wrong == "other grid":
        lesion = lesion[:, :, 2:]
    if wrong == "shifted":
        affine[2, 3] += 30
    save_nifti(tmp_path / "lesion.nii.gz", lesion, affine)
    words = {"empty": "is empty", "outside": "outside of the body"}.get(wrong, "another grid")
    with pytest.raises(SystemExit, match=words) as caught:
        workflow(tmp_path / "out", **paths).run()
    assert "lesion.nii.gz" in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_evaluation_compares_with_the_real_lesion(workflow, files, small, mask, tmp_path):
    files()
    items = [{"image": "image.nii.gz", "lesion": "lesion.nii.gz"}, {"image": "image.nii.gz"}]
    (tmp_path / "datalist.json").write_text(json.dumps({"validation": items}))
    configs = ("inference.json", "evaluate.json")
    options = {"data_list": str(tmp_path / "datalist.json"), "picture": True}
    run = workflow(tmp_path / "eval", configs=configs, **options)
    run.run()
    metrics = run.parser.get_parsed_content("evaluator").state.metrics
    result = json.loads((tmp_path / "eval" / "lesion.json").read_text())
    (volume,) = result["volumes"]
    assert volume["volume"] == "image" and volume["outside_difference"] == 0
    assert volume["real"]["mean"] == pytest.approx(float(small.hu[mask > 0].mean()), abs=0.01)
    assert volume["hu_error"] == metrics["hu_error"] > 0
    assert volume["seam"] > 0
    assert (tmp_path / "eval" / "metrics.csv").is_file()
    assert (tmp_path / "eval" / "image_inpainted.png").stat().st_size > 10_000
    np.testing.assert_array_equal(
        read(tmp_path / "eval" / "image_inpainted.nii.gz")[mask == 0], small.hu[mask == 0]
    )


def test_properties_are_complete(workflow, files, tmp_path):
    assert not workflow(tmp_path, **files()).check_properties()
