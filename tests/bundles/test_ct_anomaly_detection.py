"""The anomaly detection bundle from file to file, with the shipped weights."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from meddiff_core.conditions.vocabulary import BODY, COARSE_OF, label_id
from meddiff_core.errors import user_sentence
from meddiff_core.phantoms import make_phantom

SHAPE, SPACING = (32, 32, 24), (10.0, 10.0, 12.0)
LUNG = label_id("lung")
NO_PICTURE = {"postprocessing#transforms#6#_disabled_": True}


@pytest.fixture(scope="module")
def chest():
    """A small chest with lesions in its lungs."""
    return make_phantom("chest", SHAPE, SPACING, seed=2, lesions=3)


@pytest.fixture
def files(tmp_path, chest, save_nifti):
    """files(affine=the phantom's) -> paths of `image`, `anatomy`, `organ` (a mask of the lungs), `lesion`."""

    def save(affine=chest.affine):
        lung = np.uint8((COARSE_OF[chest.anatomy] == LUNG) | (chest.lesion > 0))
        volumes = {
            "image": np.int16(chest.hu),
            "anatomy": chest.anatomy,
            "organ": lung,
            "lesion": chest.lesion,
        }
        names = {"image": "scan"}
        return {
            key: str(save_nifti(tmp_path / f"{names.get(key, key)}.nii.gz", volume, affine))
            for key, volume in volumes.items()
        }

    return save


@pytest.fixture
def detect(bundle):
    """detect(output_dir, image, picture=False, **options): run inference.json with one sample."""

    def run(output_dir, image, picture=False, **options):
        chosen = {"samples": 1, "region": "chest", "output_dir": str(output_dir)} | options
        chosen |= {} if picture else NO_PICTURE
        bundle("ct_anomaly_detection", "inference.json", image=image, **chosen).run()

    return run


def read(folder, what):
    """Array of a result, as it is stored."""
    return np.asarray(nib.load(folder / f"scan_anomaly_{what}.nii.gz").dataobj)


def test_an_organ_by_name(detect, files, chest, tmp_path):
    paths = files()
    detect(tmp_path / "out", paths["image"], anatomy=paths["anatomy"], organ="lung", erosion=0, picture=True)
    score, mask = (read(tmp_path / "out", what) for what in ("map", "mask"))
    assert score.dtype == np.float32 and mask.dtype == np.uint16
    lung = COARSE_OF[chest.anatomy] == LUNG
    assert score[lung].any()
    # a lesion without a name belongs to the organ that encloses it; nothing else does
    assert not score[~lung & (chest.lesion == 0) & (chest.anatomy != BODY)].any()
    assert np.isfinite(score).all()
    assert not mask[score <= 0].any()
    found = json.loads((tmp_path / "out" / "scan_anomaly_findings.json").read_text())["findings"]
    assert [row["number"] for row in found] == np.unique(mask[mask > 0]).tolist()
    assert all(mask[tuple(row["voxel"])] == row["number"] for row in found)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    kinds = ("map.nii.gz", "map.json", "mask.nii.gz", "mask.json", "findings.json", "findings.csv")
    assert names == {"scan_anomaly.png", *(f"scan_anomaly_{kind}" for kind in kinds)}


def test_an_organ_by_its_mask(detect, files, tmp_path):
    paths = files()
    detect(tmp_path / "out", paths["image"], organ_mask=paths["organ"], organ="lung", erosion=0)
    score, organ = read(tmp_path / "out", "map"), np.asarray(nib.load(paths["organ"]).dataobj) > 0
    assert not score[~organ].any()
    assert (score[organ] != 0).mean() > 0.99


def test_soft_tissue_without_anything(detect, files, chest, tmp_path, caplog):
    with caplog.at_level("INFO", logger="meddiff"):
        detect(tmp_path / "out", files()["image"], region="auto")
    assert "Organ: body" in caplog.text and "Region: chest" in caplog.text
    score = read(tmp_path / "out", "map")
    assert score.any()
    assert not score[(chest.hu < -900) | (chest.hu > 700)].any()


def test_the_threshold_makes_the_mask(detect, files, tmp_path):
    paths = files()
    options = {"image": paths["image"], "organ_mask": paths["organ"], "polarity": "both"}
    for threshold, picture in ((25.5, False), (4000, True)):
        detect(tmp_path / str(threshold), threshold=threshold, picture=picture, **options)
        score, mask = (read(tmp_path / str(threshold), what) for what in ("map", "mask"))
        np.testing.assert_array_equal(mask > 0, score > threshold)


def test_same_run_same_bytes_and_other_timesteps_other_maps(detect, files, tmp_path):
    options = {"organ_mask": files()["organ"], "image": files()["image"]}
    runs = {
        "a": {},
        "b": {},
        "seed": {"seed": 1},
        "early": {"timestep": 600},
        "two": {"timestep": [950, 600]},
    }
    for folder, changed in runs.items():
        detect(tmp_path / folder, **options | changed)
    maps = {folder: read(tmp_path / folder, "map") for folder in runs}
    assert maps.pop("b").tobytes() == maps["a"].tobytes()
    assert len({score.tobytes() for score in maps.values()}) == len(maps)


def test_results_lie_on_the_grid_of_the_scan(detect, files, affine, tmp_path):
    paths = files(affine)
    detect(tmp_path, paths["image"], organ_mask=paths["organ"], anatomy=paths["anatomy"], erosion=0)
    organ = np.asarray(nib.load(paths["organ"]).dataobj) > 0
    for what in ("map", "mask"):
        result = nib.load(tmp_path / f"scan_anomaly_{what}.nii.gz")
        assert result.shape == SHAPE
        np.testing.assert_allclose(result.affine, affine, atol=1e-4)
        assert not np.asarray(result.dataobj)[~organ].any()
    assert (read(tmp_path, "map")[organ] != 0).mean() > 0.99


@pytest.fixture
def turned(files, tmp_path, save_nifti):
    """Paths of the same volumes with permuted and flipped axes, in a folder of their own."""
    (tmp_path / "turned").mkdir()
    paths = {}
    for key, path in files().items():
        image = nib.load(path).as_reoriented(np.array([[1, -1], [2, 1], [0, -1]]))
        target = tmp_path / "turned" / Path(path).name
        paths[key] = str(save_nifti(target, np.asarray(image.dataobj), image.affine))
    return paths


def test_a_scan_stored_otherwise_gives_the_same_map_in_space(detect, files, turned, tmp_path):
    for folder, paths in (("a", files()), ("b", turned)):
        detect(tmp_path / folder, paths["image"], anatomy=paths["anatomy"], organ="lung")
    result = nib.load(tmp_path / "b" / "scan_anomaly_map.nii.gz")
    assert nib.aff2axcodes(result.affine) != ("R", "A", "S")
    canonical = np.asarray(nib.as_closest_canonical(result).dataobj)
    np.testing.assert_array_equal(canonical, read(tmp_path / "a", "map"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"organ": "livver"}, "livver"),
        ({"organ": "liver"}, "no anatomy map to show liver"),
        ({"region": "leg"}, "Unknown region 'leg'"),
        ({"timestep": 1000}, "timestep is 1000"),
        ({"samples": 0}, "samples is 0"),
        ({"polarity": "up"}, "polarity is 'up'"),
        ({"expectation": "near"}, "near"),
        ({"threshold": "high"}, "threshold is 'high'"),
        ({"threshold": -5}, "threshold is -5"),
        ({"threshold": {"abdomen": 30}}, "threshold is None for region chest"),
        ({"foundation_root": "nowhere"}, "Weights nowhere.* are missing.*foundation_root"),
        ({"image": "missing.nii.gz"}, "missing.nii.gz does not exist"),
    ],
)
def test_bad_options_are_named_in_one_sentence(detect, files, tmp_path, options, words):
    with pytest.raises((RuntimeError, SystemExit)) as caught:
        detect(tmp_path / "out", **{"image": files()["image"]} | options)
    _one_sentence(caught.value, words)
    assert not (tmp_path / "out").exists()


def _one_sentence(error, words):
    sentence = str(error) if isinstance(error, SystemExit) else user_sentence(error)
    assert re.search(words, sentence), sentence
    assert "\n" not in sentence


def test_an_organ_that_the_map_does_not_have(detect, files, tmp_path):
    paths = files()
    with pytest.raises(SystemExit) as caught:
        detect(tmp_path / "out", paths["image"], anatomy=paths["anatomy"], organ="urinary_bladder")
    _one_sentence(caught.value, "scan.nii.gz has no voxel of urinary_bladder: .*its anatomy map has")


@pytest.mark.parametrize("key", ["organ_mask", "anatomy"])
def test_a_map_on_another_grid(detect, files, chest, save_nifti, tmp_path, key):
    shifted = chest.affine.copy()
    shifted[2, 3] += 30
    other = save_nifti(tmp_path / "other.nii.gz", np.ones(SHAPE, np.uint8), shifted)
    with pytest.raises(SystemExit) as caught:
        detect(tmp_path / "out", files()["image"], **{key: str(other)})
    _one_sentence(caught.value, "other.nii.gz is on another grid: it lies 2.5 voxels")


@pytest.mark.parametrize("organ", ["name", "mask"])
def test_evaluation_measures_against_the_lesions(bundle, files, chest, save_nifti, tmp_path, organ):
    files()
    healthy = make_phantom("chest", SHAPE, SPACING, seed=3)
    save_nifti(tmp_path / "healthy.nii.gz", np.int16(healthy.hu), healthy.affine)
    save_nifti(tmp_path / "healthy_map.nii.gz", healthy.anatomy, healthy.affine)
    save_nifti(
        tmp_path / "healthy_organ.nii.gz", np.uint8(COARSE_OF[healthy.anatomy] == LUNG), healthy.affine
    )
    items = [
        {"image": "scan.nii.gz", "anatomy": "anatomy.nii.gz", "lesion": "lesion.nii.gz", "region": "chest"},
        {"image": "healthy.nii.gz", "anatomy": "healthy_map.nii.gz", "region": "chest"},
    ]
    options = {"organ": "lung"}
    if organ == "mask":
        items[0] |= {"organ": "organ.nii.gz"}
        items[1] |= {"organ": "healthy_organ.nii.gz"}
        options = {}
    (tmp_path / "datalist.json").write_text(json.dumps({"validation": items}))
    options |= {"data_list": str(tmp_path / "datalist.json"), "output_dir": str(tmp_path / "eval")}
    workflow = bundle("ct_anomaly_detection", "inference.json", "evaluate.json", samples=1, **options)
    workflow.run()
    metrics = workflow.parser.get_parsed_content("evaluator").state.metrics
    result = json.loads((tmp_path / "eval" / "anomaly.json").read_text())
    scan, other = result["volumes"]
    assert (scan["volume"], other["volume"]) == ("scan", "healthy")
    for name in ("pixel_auroc", "pro", "dice"):
        assert 0 <= scan[name] <= 1 and other[name] is None
        assert metrics[name] == pytest.approx(scan[name])
    assert 0 <= metrics["image_auroc"] <= 1
    lung = (COARSE_OF[chest.anatomy] == LUNG) | (chest.lesion > 0)
    slices = (lung & (chest.lesion > 0)).any(axis=(0, 1)).sum()
    assert f": {slices} axial slices with a lesion" in (tmp_path / "eval" / "anomaly.md").read_text()
    assert (tmp_path / "eval" / "metrics.csv").is_file()


def test_evaluation_does_not_depend_on_how_a_scan_is_stored(bundle, files, turned, tmp_path):
    """Map, lesion and organ are compared on one grid."""
    rows = []
    for name, paths in (("straight", files()), ("turned", turned)):
        (tmp_path / f"{name}.json").write_text(json.dumps({"validation": [paths | {"region": "chest"}]}))
        options = {"data_list": str(tmp_path / f"{name}.json"), "output_dir": str(tmp_path / name)}
        bundle("ct_anomaly_detection", "inference.json", "evaluate.json", samples=1, **options).run()
        rows += json.loads((tmp_path / name / "anomaly.json").read_text())["volumes"]
    assert rows[0] == rows[1]
    assert rows[0]["pixel_auroc"] is not None


def test_properties_are_complete(bundle, files):
    assert not bundle("ct_anomaly_detection", "inference.json", image=files()["image"]).check_properties()
