"""The synthesis bundle from file to file, with the shipped weights."""

from __future__ import annotations

import json
import re

import nibabel as nib
import numpy as np
import pytest

from meddiff_core.errors import user_sentence
from meddiff_core.phantoms import make_phantom
from meddiff_core.transforms import anatomy_input

SHAPE, SPACING = (32, 32, 24), (10.0, 10.0, 12.0)
NO_PICTURE = {"postprocessing#transforms#3#_disabled_": True}


@pytest.fixture(scope="module")
def small():
    """A small abdomen with its anatomy map."""
    return make_phantom("abdomen", SHAPE, SPACING, seed=1)


@pytest.fixture
def map_file(tmp_path, small, save_nifti):
    """map_file(affine=the phantom's) -> path of its anatomy map."""

    def save(affine=small.affine):
        return str(save_nifti(tmp_path / "map.nii.gz", small.anatomy, affine))

    return save


@pytest.fixture
def synthesize(bundle):
    """synthesize(output_dir, picture=False, **options): run inference.json with two steps."""

    def run(output_dir, picture=False, **options):
        chosen = {"steps": 2, "output_dir": str(output_dir)} | options | ({} if picture else NO_PICTURE)
        bundle("ct_synthesis", "inference.json", **chosen).run()

    return run


def read(path):
    """HU array of a NIfTI file."""
    return np.asarray(nib.load(path).dataobj)


def test_samples_are_numbered_differ_and_come_out_the_same_again(synthesize, map_file, tmp_path):
    for folder in ("a", "b"):
        synthesize(tmp_path / folder, anatomy=map_file(), samples=2, picture=folder == "a")
    suffixes = ("nii.gz", "png", "json")
    names = [f"map_synthetic_{number}.{suffix}" for number in (1, 2) for suffix in suffixes]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == sorted(names)
    first, second = (read(tmp_path / "a" / names[i]) for i in (0, 3))
    assert first.dtype == second.dtype == np.int16
    assert not np.array_equal(first, second)
    for name in names[::3]:
        assert read(tmp_path / "a" / name).tobytes() == read(tmp_path / "b" / name).tobytes()


def test_the_seed_counts_on_with_the_samples(synthesize, map_file, tmp_path):
    options = {"anatomy": map_file(), "steps": 1, "coarse_to_fine": False}
    synthesize(tmp_path / "two", samples=2, **options)
    synthesize(tmp_path / "one", seed=1, **options)
    second = read(tmp_path / "two" / "map_synthetic_2.nii.gz")
    assert np.array_equal(second, read(tmp_path / "one" / "map_synthetic.nii.gz"))


def test_the_result_lies_on_the_grid_of_the_map(synthesize, map_file, affine, tmp_path):
    path = map_file(affine)
    synthesize(tmp_path / "out", anatomy=path, steps=1, coarse_to_fine=False, region="chest")
    source, result = nib.load(path), nib.load(tmp_path / "out" / "map_synthetic.nii.gz")
    assert result.shape == source.shape == SHAPE
    assert result.get_data_dtype() == np.int16
    np.testing.assert_allclose(result.affine, affine, atol=1e-4)
    assert "synthetic" in result.header["descrip"].item().decode()
    assert "research use only" in result.header["descrip"].item().decode()


@pytest.mark.parametrize("turn", ["permuted and flipped", "flipped"])
def test_a_map_stored_otherwise_gives_the_same_ct_in_space(synthesize, small, save_nifti, tmp_path, turn):
    """The network sees the patient in RAS, however the file is stored."""
    image = nib.Nifti1Image(small.anatomy, small.affine)
    axes = {"permuted and flipped": [[1, -1], [2, 1], [0, -1]], "flipped": [[0, -1], [1, 1], [2, -1]]}[turn]
    stored = image.as_reoriented(np.array(axes))
    options = {"steps": 1, "coarse_to_fine": False, "region": "chest"}
    for folder, source in (("straight", image), ("turned", stored)):
        path = save_nifti(tmp_path / f"{folder}.nii.gz", np.asarray(source.dataobj), source.affine)
        synthesize(tmp_path, anatomy=str(path), **options)
    straight, turned = (nib.load(tmp_path / f"{name}_synthetic.nii.gz") for name in ("straight", "turned"))
    assert turned.shape == stored.shape != SHAPE or turn == "flipped"
    np.testing.assert_array_equal(
        np.asarray(nib.as_closest_canonical(turned).dataobj), np.asarray(straight.dataobj)
    )


def test_without_a_map_that_of_a_phantom_is_used(synthesize, monkeypatch, tmp_path, caplog):
    monkeypatch.setattr(anatomy_input, "_PHANTOM_SHAPES", {"abdomen": SHAPE, "chest": SHAPE})
    monkeypatch.setattr(anatomy_input, "_PHANTOM_SPACING", SPACING)
    with caplog.at_level("INFO", logger="meddiff"):
        synthesize(tmp_path)
        synthesize(tmp_path, region="chest", guidance_scale=2.0, solver="ddpm", picture=True)
    assert "that of the abdomen phantom is used" in caplog.text
    assert "Region: abdomen." in caplog.text
    for region in ("abdomen", "chest"):
        result = nib.load(tmp_path / f"phantom_{region}_synthetic.nii.gz")
        assert result.shape == SHAPE
    assert (tmp_path / "phantom_chest_synthetic.png").stat().st_size > 10_000


def test_the_map_decides_what_is_made(synthesize, map_file, tmp_path):
    options = {"anatomy": map_file(), "steps": 1, "region": "chest"}
    synthesize(tmp_path / "with", **options)
    synthesize(tmp_path / "without", use_anatomy=False, **options)
    pair = [read(tmp_path / folder / "map_synthetic.nii.gz") for folder in ("with", "without")]
    assert not np.array_equal(*pair)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"samples": 0}, "samples is 0"),
        ({"region": "leg"}, "Unknown region 'leg'"),
        ({"steps": 0}, "steps is 0"),
        ({"guidance_scale": -2}, "guidance_scale is -2"),
        ({"solver": "euler"}, "solver is 'euler'"),
        ({"anatomy": "missing.nii.gz"}, "missing.nii.gz does not exist"),
        ({"foundation_root": "nowhere"}, "Weights nowhere.* are missing.*foundation_root"),
    ],
)
def test_bad_options_are_named_in_one_sentence(synthesize, map_file, tmp_path, options, words):
    with pytest.raises((RuntimeError, SystemExit)) as caught:
        synthesize(tmp_path / "out", **{"anatomy": map_file()} | options)
    error = caught.value
    sentence = str(error) if isinstance(error, SystemExit) else user_sentence(error)
    assert re.search(words, sentence)
    assert "\n" not in sentence
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("value", "words"), [(200, "holds the value 200"), (0, "is empty")])
def test_a_map_that_is_none_is_refused_in_one_sentence(synthesize, save_nifti, tmp_path, value, words):
    labels = np.full(SHAPE, value, np.uint8)
    path = save_nifti(tmp_path / "wrong.nii.gz", labels)
    with pytest.raises(SystemExit, match=words) as caught:
        synthesize(tmp_path / "out", anatomy=str(path))
    assert "wrong.nii.gz" in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_evaluation_writes_the_tables(bundle, small, map_file, save_nifti, tmp_path):
    map_file()
    save_nifti(tmp_path / "ct.nii.gz", np.asarray(small.hu, np.int16), small.affine)
    items = [{"image": "ct.nii.gz", "anatomy": "map.nii.gz", "region": "abdomen"}]
    (tmp_path / "datalist.json").write_text(json.dumps({"validation": items}))
    options = {"data_list": str(tmp_path / "datalist.json"), "output_dir": str(tmp_path / "eval"), "steps": 2}
    workflow = bundle("ct_synthesis", "inference.json", "evaluate.json", **options)
    workflow.run()
    metrics = workflow.parser.get_parsed_content("evaluator").state.metrics
    result = json.loads((tmp_path / "eval" / "synthesis.json").read_text())
    assert result["features"] == "foundation bottleneck"
    assert result["count"] == 1 and result["volumes"][0]["volume"] == "ct"
    assert result["mean"]["hu_error"] == metrics["hu_error"] >= 0
    assert "foundation bottleneck" in (tmp_path / "eval" / "synthesis.md").read_text()
    assert (tmp_path / "eval" / "metrics.csv").is_file()
    assert nib.load(tmp_path / "eval" / "map_synthetic.nii.gz").shape == SHAPE


def test_properties_are_complete(bundle, map_file):
    assert not bundle("ct_synthesis", "inference.json", anatomy=map_file()).check_properties()
