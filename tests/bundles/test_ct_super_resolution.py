"""The super-resolution bundle from file to file, with a ControlNet that has learned nothing yet."""

from __future__ import annotations

import json
import os
import re
from itertools import product

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from meddiff_core.errors import user_sentence
from meddiff_core.networks.controlled_denoiser import ControlledDenoiser
from meddiff_core.networks.ct_denoiser import CTDenoiser
from meddiff_core.phantoms import make_phantom
from meddiff_core.physics.slabs import SlabMeans
from meddiff_core.training.weight_export import export_weights

SHAPE, SPACING = (24, 24, 16), (14.0, 14.0, 12.0)
NO_PICTURE = {"postprocessing#transforms#4#_disabled_": True}


@pytest.fixture(scope="module")
def control(tmp_path_factory):
    """A file with the trained part as it is before training: the network predicts as the foundation does."""
    path = tmp_path_factory.mktemp("weights") / "models" / "model.pt"
    export_weights(ControlledDenoiser(CTDenoiser()).control, path)
    return str(path)


@pytest.fixture(scope="module")
def thick():
    """A small abdomen with thick slices."""
    return make_phantom("abdomen", SHAPE, SPACING, seed=1)


@pytest.fixture
def scan(tmp_path, thick, save_nifti):
    """scan(name, affine=the phantom's, hu=the phantom's) -> path of the thick scan."""

    def save(name="scan", affine=thick.affine, hu=thick.hu):
        return str(save_nifti(tmp_path / f"{name}.nii.gz", np.asarray(hu, np.int16), np.asarray(affine)))

    return save


@pytest.fixture
def refine(bundle, control):
    """refine(output_dir, picture=False, **options): run inference.json, slices of 6 mm."""

    def run(output_dir, picture=False, **options):
        chosen = {"slice_thickness": 6.0, "region": "abdomen", "output_dir": str(output_dir)} | options
        chosen |= {"control_weights": control} | ({} if picture else NO_PICTURE)
        bundle("ct_super_resolution", "inference.json", **chosen).run()

    return run


def read(path):
    """Array of a NIfTI file, as it is stored."""
    return np.asarray(nib.load(path).dataobj)


def corners(image):
    """The outer corners of a volume in mm, sorted."""
    ends = list(product(*((-0.5, n - 0.5) for n in image.shape)))
    return sorted(map(tuple, nib.affines.apply_affine(image.affine, ends).round(2) + 0.0))


def test_thin_slices_over_the_same_extent_agree_with_the_thick_ones(refine, scan, thick, tmp_path):
    refine(tmp_path / "out", image=scan(), picture=True)
    source, result = nib.load(scan()), nib.load(tmp_path / "out" / "scan_superres.nii.gz")
    assert result.shape == (24, 24, 32)
    assert result.get_data_dtype() == np.int16
    np.testing.assert_allclose(result.header.get_zooms(), (14, 14, 6), atol=1e-5)
    assert corners(result) == corners(source)
    means = read(result.get_filename()).astype(float).reshape(*SHAPE, 2).mean(axis=-1)
    assert np.abs(means - np.int16(thick.hu)).max() < 1
    assert (tmp_path / "out" / "scan_superres.png").stat().st_size > 10_000
    assert "superres" in result.header["descrip"].item().decode()


@pytest.mark.parametrize("options", [{"slice_thickness": 5.0}, {"slice_profile": [1, 3, 1]}])
def test_they_agree_with_other_slabs_and_profiles(refine, scan, thick, tmp_path, options):
    refine(tmp_path, image=scan(), steps=2, **options)
    result = read(tmp_path / "scan_superres.nii.gz").astype(np.float64)
    slabs = SlabMeans(result.shape[-1], SHAPE[-1], options.get("slice_profile", (1.0,)))
    assert np.abs(result @ slabs.matrix.T.numpy() - np.int16(thick.hu)).max() < 1


def test_the_projection_can_be_left_out(refine, scan, thick, tmp_path):
    refine(tmp_path, image=scan(), projection=False)
    means = read(tmp_path / "scan_superres.nii.gz").reshape(*SHAPE, 2).mean(axis=-1)
    assert np.abs(means - np.int16(thick.hu)).max() > 10


def test_the_result_lies_where_the_scan_does(refine, scan, affine, tmp_path):
    path = scan(affine=affine)
    spacing = float(max(nib.affines.voxel_sizes(affine)))  # across the slices, whatever their plane
    refine(tmp_path / "out", image=path, slice_thickness=spacing / 2)
    source, result = nib.load(path), nib.load(tmp_path / "out" / "scan_superres.nii.gz")
    assert nib.aff2axcodes(result.affine) == nib.aff2axcodes(affine)
    assert sorted(result.shape) != sorted(SHAPE) and np.prod(result.shape) == 2 * np.prod(SHAPE)
    assert corners(result) == corners(source)


@pytest.mark.parametrize("axis", [0, 1])
def test_the_thick_axis_is_refined_whatever_the_plane(refine, scan, thick, tmp_path, axis):
    """Sagittal and coronal slices of the phantom: means of three slices along x or y."""
    means = np.moveaxis(thick.hu, axis, -1).reshape(*np.delete(SHAPE, axis), -1, 3).mean(axis=-1)
    affine = thick.affine.copy()
    affine[:3, axis] *= 3
    affine[:3, 3] += thick.affine[:3, axis]  # the middle one of the three
    path = scan(affine=affine, hu=np.moveaxis(means, -1, axis).round())
    refine(tmp_path / "out", image=path, slice_thickness=14.0)
    source, result = nib.load(path), nib.load(tmp_path / "out" / "scan_superres.nii.gz")
    assert result.shape == SHAPE
    np.testing.assert_allclose(result.affine, thick.affine, atol=1e-3)
    again = np.moveaxis(read(result.get_filename()), axis, -1).reshape(*means.shape, 3).mean(axis=-1)
    off = np.abs(again - np.moveaxis(np.asarray(source.dataobj), axis, -1))
    assert np.quantile(off, 0.99) < 1


def test_hu_stay_in_the_range_of_the_thick_neighbours(refine, scan, tmp_path):
    refine(tmp_path, image=scan())
    source, result = read(scan()).astype(float), read(tmp_path / "scan_superres.nii.gz")
    lowest, highest = ndimage.minimum_filter(source, 3), ndimage.maximum_filter(source, 3)
    assert (lowest.repeat(2, axis=-1) - 1 <= result).all() and (
        result <= highest.repeat(2, axis=-1) + 1
    ).all()


def test_overlapping_slabs_along_a_named_axis(refine, scan, thick, tmp_path):
    refine(tmp_path, image=scan(), axis=0, slice_thickness=7.0, slice_width=21.0)
    result = nib.load(tmp_path / "scan_superres.nii.gz")
    assert result.shape == (48, 24, 16) and corners(result) == corners(nib.load(scan()))
    slabs = SlabMeans(48, 24, width=3.0)
    means = np.moveaxis(read(result.get_filename()).astype(float), 0, -1) @ slabs.matrix.T.numpy()
    off = np.abs(means - np.moveaxis(np.int16(thick.hu), 0, -1))
    assert np.median(off) < 1 and np.quantile(off, 0.9) < 10


@pytest.mark.parametrize("axes", [[[1, -1], [2, 1], [0, -1]], [[0, -1], [1, 1], [2, -1]]])
def test_a_scan_stored_otherwise_gives_the_same_ct_in_space(refine, scan, thick, tmp_path, axes):
    """The network sees the patient in RAS, however the file is stored."""
    turned = nib.Nifti1Image(np.int16(thick.hu), thick.affine).as_reoriented(np.array(axes))
    refine(tmp_path, image=scan())
    refine(tmp_path, image=scan("turned", turned.affine, np.asarray(turned.dataobj)))
    found = nib.as_closest_canonical(nib.load(tmp_path / "turned_superres.nii.gz"))
    straight = nib.load(tmp_path / "scan_superres.nii.gz")
    np.testing.assert_array_equal(np.asarray(found.dataobj), np.asarray(straight.dataobj))
    np.testing.assert_allclose(found.affine, straight.affine, atol=1e-4)


def test_same_run_same_bytes_and_the_seed_counts(refine, scan, tmp_path):
    for folder, options in {"a": {}, "b": {}, "c": {"seed": 1}}.items():
        refine(tmp_path / folder, image=scan(), steps=2, **options)
    first, again, other = (read(tmp_path / folder / "scan_superres.nii.gz").tobytes() for folder in "abc")
    assert first == again != other


def test_one_bad_file_does_not_stop_a_folder(refine, scan, tmp_path, thick):
    folder = tmp_path / "in"
    folder.mkdir()
    os.link(scan(), folder / "good.nii.gz")
    os.link(scan("thin", thick.affine @ np.diag([1, 1, 1 / 2, 1])), folder / "thin.nii.gz")
    with pytest.raises(SystemExit, match=r"(?s)1 of 2 scans failed.*thin.nii.gz") as caught:
        refine(tmp_path / "out", image=str(folder))
    assert "no more slices than the 16 of 6 mm" in str(caught.value)
    assert [path.name for path in (tmp_path / "out").glob("*.nii.gz")] == ["good_superres.nii.gz"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"slice_thickness": 12.0}, "slice_thickness is 12 mm"),
        ({"slice_thickness": 20}, "slice_thickness is 20 mm"),
        ({"slice_thickness": 1.0}, "slice_thickness is 1 mm, less than a tenth"),
        ({"slice_thickness": -1.0}, "slice_thickness is -1.0"),
        ({"slice_thickness": "thin"}, "slice_thickness is 'thin'"),
        ({"slice_profile": []}, r"slice_profile is \[\]"),
        ({"slice_profile": [1, -1, 1]}, "slice_profile is .*-1"),
        ({"slice_profile": [0, 0]}, r"slice_profile is \[0, 0\]"),
        ({"slice_width": 60}, "slice_width is 60 mm, but the slices of .* are 12 mm apart: use 1.2 to 48"),
        ({"axis": 3}, "axis is '3': use one of auto, 0, 1, 2"),
        ({"steps": 0}, "steps is 0"),
        ({"region": "leg"}, "Unknown region 'leg'"),
        ({"foundation_root": "nowhere"}, "Weights nowhere.* are missing"),
        ({"control_weights": "nowhere/models/model.pt"}, "Weights nowhere.* are missing"),
        ({"image": "missing.nii.gz"}, "missing.nii.gz does not exist"),
    ],
)
def test_bad_options_are_named_in_one_sentence(bundle, control, scan, tmp_path, options, words):
    chosen = {"image": scan(), "slice_thickness": 4.0, "control_weights": control} | options
    with pytest.raises((RuntimeError, SystemExit)) as caught:
        bundle("ct_super_resolution", "inference.json", output_dir=str(tmp_path / "out"), **chosen).run()
    error = caught.value
    sentence = str(error) if isinstance(error, SystemExit) else user_sentence(error)
    assert re.search(words, sentence), sentence
    assert "\n" not in sentence
    assert not (tmp_path / "out").exists()


@pytest.fixture
def evaluate(bundle, control, tmp_path):
    """evaluate(items, **options) -> (metrics, content of super_resolution.json)."""

    def run(items, **options):
        (tmp_path / "datalist.json").write_text(json.dumps({"validation": items}))
        chosen = {"data_list": str(tmp_path / "datalist.json"), "output_dir": str(tmp_path / "eval")}
        chosen |= {"control_weights": control} | options
        workflow = bundle("ct_super_resolution", "inference.json", "evaluate.json", **chosen)
        workflow.run()
        result = json.loads((tmp_path / "eval" / "super_resolution.json").read_text())
        return workflow.parser.get_parsed_content("evaluator").state.metrics, result

    return run


@pytest.fixture(scope="module")
def thin():
    """A small abdomen with thinner slices."""
    return make_phantom("abdomen", (24, 24, 29), (14.0, 14.0, 7.0), seed=1)


@pytest.fixture
def item(scan, thin):
    """Entry of a data list for `thin.nii.gz`."""
    scan("thin", thin.affine, thin.hu)
    return {"image": "thin.nii.gz", "region": "abdomen"}


def test_evaluation_simulates_thick_slices(evaluate, item, tmp_path):
    metrics, result = evaluate([item], factor=3)
    (row,) = result["volumes"]
    assert (row["volume"], row["thick_slices"], row["factor"], row["slices"]) == ("thin", "simulated", 3, 21)
    for name in ("psnr", "ssim", "psnr_input", "ssim_input", "psnr_all", "overshoot", "overshoot_real"):
        assert metrics[name] == pytest.approx(row[name])
    assert row["overshoot"] == 0 < row["overshoot_real"]
    assert 10 < row["psnr_input"] < 60 and 0 < row["ssim"] < 1
    assert (
        "| thin | abdomen | simulated | 3 | 21 |" in (tmp_path / "eval" / "super_resolution.md").read_text()
    )
    assert (tmp_path / "eval" / "metrics.csv").is_file()


def test_evaluation_takes_a_real_pair_however_it_is_stored(evaluate, item, thin, save_nifti, tmp_path):
    """The slabs of the pair begin at another slice than simulated ones."""
    slabs = np.rint(thin.hu[..., 2:29].reshape(24, 24, 9, 3).mean(axis=-1)).astype(np.int16)
    affine = thin.affine @ np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 3, 3], [0, 0, 0, 1.0]])
    rows = []
    for axes in ([[0, 1], [1, 1], [2, 1]], [[1, -1], [2, 1], [0, -1]]):
        stored = nib.Nifti1Image(slabs, affine).as_reoriented(np.array(axes))
        save_nifti(tmp_path / "thick.nii.gz", np.asarray(stored.dataobj), stored.affine)
        rows += evaluate([item | {"thick": "thick.nii.gz"}])[1]["volumes"]
    assert rows[0] == rows[1]
    assert (rows[0]["thick_slices"], rows[0]["factor"], rows[0]["slices"]) == ("real", 3, 21)
    simulated = evaluate([item], factor=3)[1]["volumes"][0]
    assert rows[0]["psnr_input"] == pytest.approx(simulated["psnr_input"], abs=1.5)


def test_evaluation_needs_slices_that_remain(evaluate, item):
    with pytest.raises(SystemExit, match="thin has 4 thick slices: use fewer drop_slices"):
        evaluate([item], factor=7, drop_slices=2)


def test_properties_are_complete(bundle, control, scan):
    options = {"image": scan(), "control_weights": control}
    assert not bundle("ct_super_resolution", "inference.json", **options).check_properties()
