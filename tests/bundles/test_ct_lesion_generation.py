"""The lesion generation bundle from file to file, with a trained part that was never trained."""

from __future__ import annotations

import json
import re

import nibabel as nib
import numpy as np
import pytest
import torch

from meddiff_core.errors import user_sentence
from meddiff_core.metrics import lesion_segmenter
from meddiff_core.metrics.lesion_segmenter import segmenter_network
from meddiff_core.networks.controlled_denoiser import ControlledDenoiser
from meddiff_core.networks.ct_denoiser import CTDenoiser
from meddiff_core.phantoms import make_phantom
from meddiff_core.training.weight_export import export_weights
from meddiff_core.transforms import anatomy_input

SHAPE, SPACING = (32, 32, 24), (10.0, 10.0, 12.0)
NO_PICTURE = {"postprocessing#transforms#4#_disabled_": True}
LARGE = {"lesion_diameter": [60, 80]}


@pytest.fixture(scope="module")
def control(tmp_path_factory):
    """Weights of a trained part that does something."""
    torch.manual_seed(0)
    part = ControlledDenoiser(CTDenoiser()).control
    with torch.no_grad():
        for parameter in part.parameters():
            parameter += 0.02 * torch.randn_like(parameter)
    path = tmp_path_factory.mktemp("models") / "model.pt"
    export_weights(part, path)
    return str(path)


@pytest.fixture(scope="module")
def small():
    """A small chest with its anatomy map and a lesion."""
    return make_phantom("chest", SHAPE, SPACING, seed=1, lesions=1)


@pytest.fixture
def files(tmp_path, small, save_nifti):
    """files(affine=the phantom's) -> paths of `map`, `mask` and `ct`."""

    def save(affine=small.affine):
        volumes = {"map": small.anatomy, "mask": small.lesion, "ct": np.int16(small.hu)}
        return {
            name: str(save_nifti(tmp_path / f"{name}.nii.gz", volume, affine))
            for name, volume in volumes.items()
        }

    return save


@pytest.fixture
def generate(bundle, control):
    """generate(output_dir, picture=False, **options): run inference.json with one step."""

    def run(output_dir, picture=False, **options):
        chosen = {"steps": 1, "guidance_scale": 1, "output_dir": str(output_dir), "control_weights": control}
        bundle(
            "ct_lesion_generation", "inference.json", **chosen | options | ({} if picture else NO_PICTURE)
        ).run()

    return run


def read(path):
    """Array of a NIfTI file."""
    return np.asarray(nib.load(path).dataobj)


def test_a_given_mask_decides_where_and_comes_out_as_it_was(generate, files, small, tmp_path):
    paths = files()
    generate(tmp_path / "out", anatomy=paths["map"], lesion=paths["mask"], picture=True)
    names = {path.name for path in (tmp_path / "out").iterdir() if path.suffix != ".json"}
    assert names == {"map_lesion.nii.gz", "map_lesion_mask.nii.gz", "map_lesion.png"}
    assert read(tmp_path / "out" / "map_lesion.nii.gz").dtype == np.int16
    mask = read(tmp_path / "out" / "map_lesion_mask.nii.gz")
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, small.lesion)

    generate(tmp_path / "sampled", anatomy=paths["map"], **LARGE)
    pair = [read(tmp_path / folder / "map_lesion.nii.gz") for folder in ("out", "sampled")]
    assert not np.array_equal(*pair)


def test_the_anatomy_within_the_lesion_is_that_around_it(generate, files, small, save_nifti, tmp_path):
    """What the map shows there, the lesion or not, has no say."""
    paths = files()
    other = np.where(small.lesion, 118, small.anatomy).astype(np.uint8)
    (tmp_path / "other").mkdir()
    shown = str(save_nifti(tmp_path / "other" / "map.nii.gz", other, small.affine))
    for folder, path in (("a", paths["map"]), ("b", shown)):
        generate(tmp_path / folder, anatomy=path, lesion=paths["mask"])
    assert not np.array_equal(read(paths["map"]), read(shown))
    pair = [read(tmp_path / folder / "map_lesion.nii.gz") for folder in "ab"]
    np.testing.assert_array_equal(*pair)


def test_samples_differ_in_mask_and_image_and_come_out_the_same_again(generate, files, tmp_path):
    for folder in ("a", "b"):
        generate(tmp_path / folder, anatomy=files()["map"], samples=2, organ="lung", **LARGE)
    names = [f"map_lesion{part}" for number in (1, 2) for part in (f"_{number}", f"_{number}_mask")]
    for name in names:
        path = f"{name}.nii.gz"
        assert read(tmp_path / "a" / path).tobytes() == read(tmp_path / "b" / path).tobytes()
    volumes = [read(tmp_path / "a" / f"{name}.nii.gz") for name in names]
    assert not np.array_equal(volumes[0], volumes[2]) and not np.array_equal(volumes[1], volumes[3])


def test_cases_for_nnunet(generate, files, tmp_path):
    generate(tmp_path / "out", anatomy=files()["map"], samples=2, layout="nnunet", **LARGE)
    folder = tmp_path / "out" / "Dataset900_SyntheticLesion"
    assert json.loads((folder / "dataset.json").read_text())["numTraining"] == 2
    for number in (1, 2):
        image, mask = (
            folder / f"imagesTr/map_lesion_{number}_0000.nii.gz",
            folder / f"labelsTr/map_lesion_{number}.nii.gz",
        )
        assert image.is_file() and set(np.unique(read(mask))) == {0, 1}


def test_results_lie_on_the_grid_of_the_map(generate, files, affine, tmp_path):
    paths = files(affine)
    generate(
        tmp_path / "out", anatomy=paths["map"], lesion=paths["mask"], coarse_to_fine=False, region="chest"
    )
    for name in ("map_lesion", "map_lesion_mask"):
        result = nib.load(tmp_path / "out" / f"{name}.nii.gz")
        assert result.shape == SHAPE
        np.testing.assert_allclose(result.affine, affine, atol=1e-4)
    np.testing.assert_array_equal(read(tmp_path / "out" / "map_lesion_mask.nii.gz"), read(paths["mask"]))


def test_without_a_map_that_of_a_phantom_is_used(generate, monkeypatch, tmp_path, caplog):
    monkeypatch.setattr(anatomy_input, "_PHANTOM_SHAPES", {"chest": SHAPE})
    monkeypatch.setattr(anatomy_input, "_PHANTOM_SPACING", SPACING)
    with caplog.at_level("INFO", logger="meddiff"):
        generate(tmp_path, region="chest", lesion_count=2, **LARGE)
    assert "that of the chest phantom is used" in caplog.text
    assert "2 lesion(s)" in caplog.text and "sampled in lung" in caplog.text
    assert read(tmp_path / "phantom_chest_lesion.nii.gz").shape == SHAPE


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"lesion": "missing.nii.gz"}, "missing.nii.gz does not exist"),
        ({"anatomy": None, "lesion": "mask.nii.gz"}, "no anatomy map for the lesion mask mask.nii.gz"),
        ({"organ": "livver"}, "livver"),
        ({"organ": "urinary_bladder"}, "map.nii.gz .*urinary_bladder"),
        ({"lesion_count": 0}, "number of lesions is 0"),
        ({"lesion_diameter": [400, 500]}, "no room"),
        ({"irregularity": 2}, "irregularity is 2"),
        ({"layout": "zip"}, "layout is 'zip'"),
        ({"region": "leg"}, "Unknown region 'leg'"),
        ({"foundation_root": "nowhere"}, "Weights nowhere.* are missing.*foundation_root"),
        ({"control_weights": "nowhere/models/model.pt"}, "Weights nowhere.* are missing"),
    ],
)
def test_bad_options_are_named_in_one_sentence(generate, files, tmp_path, options, words):
    with pytest.raises((RuntimeError, SystemExit)) as caught:
        generate(tmp_path / "out", **{"anatomy": files()["map"]} | options)
    error = caught.value
    sentence = str(error) if isinstance(error, SystemExit) else user_sentence(error)
    assert re.search(words, sentence), sentence
    assert "\n" not in sentence
    assert not (tmp_path / "out").exists()


@pytest.fixture
def evaluate(bundle, control, files, tmp_path):
    """evaluate(**options) -> metrics and `lesion.json` of the phantom, and an item without a lesion."""

    def run(**options):
        files()
        items = [{"image": "ct.nii.gz", "anatomy": "map.nii.gz", "region": "chest"}]
        items.append(items[0] | {"lesion": "mask.nii.gz"})
        (tmp_path / "datalist.json").write_text(json.dumps({"validation": items}))
        chosen = {"data_list": str(tmp_path / "datalist.json"), "output_dir": str(tmp_path / "eval")}
        chosen |= {"steps": 1, "guidance_scale": 1, "control_weights": control}
        workflow = bundle("ct_lesion_generation", "inference.json", "evaluate.json", **chosen | options)
        workflow.run()
        metrics = workflow.parser.get_parsed_content("evaluator").state.metrics
        return metrics, json.loads((tmp_path / "eval" / "lesion.json").read_text())

    return run


def test_evaluation_measures_against_the_real_lesion(evaluate, small, tmp_path):
    metrics, result = evaluate()
    assert result["count"] == 1 and result["volumes"][0]["volume"] == "ct"
    lesion = small.hu[small.lesion > 0].clip(-1400, 400)
    assert result["volumes"][0]["real"]["mean"] == pytest.approx(lesion.mean(), abs=0.01)
    assert metrics["hu_error"] == result["mean"]["hu_error"] > 0
    assert "dice" not in metrics
    assert (tmp_path / "eval" / "metrics.csv").is_file()
    assert (tmp_path / "eval" / "map_lesion.png").is_file()


def test_evaluation_with_a_segmenter(evaluate, tmp_path, monkeypatch):
    monkeypatch.setattr(lesion_segmenter, "GRID_MM", 10.0)  # for the time it takes
    export_weights(segmenter_network(), tmp_path / "segmenter.pt")
    metrics, result = evaluate(segmenter=str(tmp_path / "segmenter.pt"))
    assert 0 <= metrics["dice"] <= 1 and 0 <= metrics["dice_real"] <= 1
    assert result["segmenter"] == "small U-Net"


@pytest.mark.parametrize("option", ["segmenter", "nnunet_model"])
def test_evaluation_names_a_segmenter_that_is_not_there(evaluate, tmp_path, option):
    with pytest.raises((RuntimeError, SystemExit)) as caught:
        evaluate(**{option: str(tmp_path / "nothing")})
    sentence = str(caught.value) if isinstance(caught.value, SystemExit) else user_sentence(caught.value)
    assert "nothing" in sentence and "\n" not in sentence


def test_the_segmenter_is_trained_on_the_lesions_of_a_list(bundle, files, tmp_path):
    files()
    items = [{"image": "ct.nii.gz", "lesion": "mask.nii.gz"}, {"image": "ct.nii.gz"}]
    (tmp_path / "datalist.json").write_text(json.dumps({"training": items}))
    options = {"dataset_dir": str(tmp_path), "output_dir": str(tmp_path / "out"), "device": "cpu"}
    small = {"epoch_length": 1, "max_epochs": 1, "voxel_size": 10.0, "patch_size": 32}
    bundle("ct_lesion_generation", "segmenter.json", workflow_type="train", **options, **small).run()
    state = torch.load(tmp_path / "out" / "segmenter.pt", weights_only=True)
    assert state.keys() == segmenter_network().state_dict().keys()
    assert all(v.dtype == torch.float16 for v in state.values() if v.is_floating_point())


def test_properties_are_complete(bundle, files, control):
    options = {"anatomy": files()["map"], "control_weights": control}
    assert not bundle("ct_lesion_generation", "inference.json", **options).check_properties()
