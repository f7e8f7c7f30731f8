"""The denoising bundle from file to file, with the shipped weights."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from meddiff_core.conditions.regions import region_window
from meddiff_core.errors import user_sentence
from meddiff_core.metrics.image_quality import psnr
from meddiff_core.training import adaptation

BUNDLES = Path(__file__).parents[2] / "bundles"


def denoise(bundle, image, output_dir, **options):
    """Run inference.json on `image` with the phantom's region and noise."""
    chosen = {"region": "abdomen", "noise_level": 27.0} | options
    bundle("ct_denoising", "inference.json", image=image, output_dir=str(output_dir), **chosen).run()


def read(path):
    """HU array of a NIfTI file."""
    return np.asarray(nib.load(path).dataobj).astype(np.float32)


@pytest.mark.parametrize("steps", [1, 4])
def test_noise_falls_and_the_grid_stays(bundle, scans, tmp_path, steps):
    denoise(bundle, str(scans["noisy"]), tmp_path, steps=steps)
    source, result = nib.load(scans["noisy"]), nib.load(tmp_path / "noisy_denoised.nii.gz")
    assert result.shape == source.shape
    assert result.get_data_dtype() == np.int16
    np.testing.assert_allclose(result.affine, source.affine, atol=1e-6)
    clean, window = read(scans["clean"]), region_window("abdomen")
    before, after = (psnr(read(p.get_filename()), clean, window) for p in (source, result))
    assert after > before + 2
    assert (tmp_path / "noisy_denoised.png").stat().st_size > 10_000


def test_strengths_go_from_the_scan_itself_to_the_whole_step(bundle, scans, tmp_path):
    denoise(bundle, str(scans["noisy"]), tmp_path, strength=[0, 50, 100], report=True)
    names = {
        f"noisy_denoised_{n}{end}" for n in (0, 50, 100) for end in (".nii.gz", ".png", ".json", ".html")
    }
    assert {path.name for path in tmp_path.iterdir()} == names
    results = {n: read(tmp_path / f"noisy_denoised_{n}.nii.gz") for n in (0, 50, 100)}
    np.testing.assert_array_equal(results[0], read(scans["noisy"]))
    np.testing.assert_allclose(results[50], (results[0] + results[100]) / 2, atol=1)
    assert np.abs(results[100] - results[0]).mean() > 5
    records = [json.loads((tmp_path / f"noisy_denoised_{n}.json").read_text()) for n in (50, 100)]
    assert [record["scan"]["strength"] for record in records] == [50, 100]
    assert b"denoised 50" in nib.load(tmp_path / "noisy_denoised_50.nii.gz").header["descrip"].tobytes()


def test_several_strengths_are_done_once(bundle, scans, tmp_path, caplog):
    for strength in ([30, 60], [30, 60]):
        with caplog.at_level("INFO", logger="meddiff"):
            denoise(bundle, str(scans["noisy"]), tmp_path, strength=strength, existing="skip")
    assert "Done already" in caplog.text


def test_the_record_says_that_no_anatomy_went(bundle, scans, tmp_path, caplog):
    with caplog.at_level("WARNING", logger="meddiff"):
        denoise(bundle, str(scans["noisy"]), tmp_path)
    record = json.loads((tmp_path / "noisy_denoised.json").read_text())
    assert 0 <= record["scan"]["removed_structure"] < 0.2
    assert "Anatomy may have gone" not in caplog.text


@pytest.mark.parametrize("slices", [2, 5])
def test_few_slices_are_denoised(bundle, scans, tmp_path, save_nifti, slices):
    affine = nib.load(scans["noisy"]).affine
    noisy, clean = (read(scans[name])[:, :, 10 : 10 + slices] for name in ("noisy", "clean"))
    path = save_nifti(tmp_path / "few.nii.gz", noisy.astype(np.int16), affine)
    denoise(bundle, str(path), tmp_path / "out")
    result = nib.load(tmp_path / "out" / "few_denoised.nii.gz")
    assert result.shape == noisy.shape
    np.testing.assert_allclose(result.affine, affine, atol=1e-6)
    window = region_window("abdomen")
    assert psnr(read(result.get_filename()), clean, window) > psnr(noisy, clean, window) + 1


def test_the_whole_range_is_denoised_and_padding_is_kept(bundle, scans, tmp_path, save_nifti):
    clean, noisy = read(scans["clean"]), read(scans["noisy"])
    noisy[:4, :4] = -2000
    path = save_nifti(tmp_path / "noisy.nii.gz", noisy.astype(np.int16), nib.load(scans["noisy"]).affine)
    denoise(bundle, str(path), tmp_path)
    after = read(tmp_path / "noisy_denoised.nii.gz")
    assert (after[:4, :4] == -2000).all()
    far_outside = (clean < -400) | (clean > 600)
    far_outside[:8, :8] = False
    before, after = ((hu - clean)[far_outside].std() for hu in (noisy, after))
    assert after < before


def test_the_network_adapts_to_the_scan_and_its_weights_serve_again(
    bundle, scans, tmp_path, save_nifti, monkeypatch
):
    monkeypatch.setattr(adaptation, "_LEAST_FALL", -1.0)  # a second is too short for a real fall
    noisy = read(scans["noisy"])[16:48, 16:48, 16:32].astype(np.int16)
    path = save_nifti(tmp_path / "noisy.nii.gz", noisy, nib.load(scans["noisy"]).affine)
    denoise(bundle, str(path), tmp_path, adapt=0.02, save_adapted=True)
    scan = json.loads((tmp_path / "noisy_denoised.json").read_text())["scan"]
    assert scan["adapt_iterations"] > 0 and scan["adapt_minutes"] < 1
    assert scan["adapt_check_before"] > 0 and scan["adapt_check_after"] > 0
    weights = tmp_path / "noisy_adapted.pt"
    state = torch.load(weights, weights_only=True)
    shipped = torch.load(BUNDLES / "ct_foundation" / "models" / "model.pt", weights_only=True)
    changed = {name.split(".")[0] for name in state if not torch.equal(state[name], shipped[name])}
    assert changed == {"detail"}
    denoise(bundle, str(path), tmp_path / "again", foundation_weights=str(weights))
    first, again = (read(folder / "noisy_denoised.nii.gz") for folder in (tmp_path, tmp_path / "again"))
    assert np.abs(first - again).mean() < 1  # saved in float16


def test_too_few_slices_teach_nothing(bundle, scans, tmp_path, save_nifti):
    path = save_nifti(tmp_path / "few.nii.gz", read(scans["noisy"])[:, :, :3].astype(np.int16), np.eye(4))
    with pytest.raises(
        SystemExit, match=r"adapt needs 8 slices or more .* 64 x 64 x 3 voxels: leave adapt out"
    ):
        denoise(bundle, str(path), tmp_path / "out", adapt=1)
    assert not (tmp_path / "out").exists()


def test_same_run_same_bytes(bundle, scans, tmp_path):
    for folder in ("a", "b"):
        denoise(bundle, str(scans["noisy"]), tmp_path / folder, steps=2)
    first, second = (read(tmp_path / folder / "noisy_denoised.nii.gz") for folder in ("a", "b"))
    np.testing.assert_array_equal(first, second)


def test_region_and_noise_are_found(bundle, scans, tmp_path, caplog):
    with caplog.at_level("INFO", logger="meddiff"):
        denoise(bundle, str(scans["noisy"]), tmp_path, region="auto", noise_level="auto")
    assert "Region: abdomen." in caplog.text
    assert "estimated" in caplog.text


def test_anatomy_map_is_used(bundle, scans, tmp_path):
    denoise(bundle, str(scans["noisy"]), tmp_path / "without")
    denoise(bundle, str(scans["noisy"]), tmp_path / "with", anatomy=str(scans["anatomy"]))
    without, with_map = (read(tmp_path / f / "noisy_denoised.nii.gz") for f in ("without", "with"))
    assert not np.array_equal(without, with_map)


def test_one_bad_file_does_not_stop_a_folder(bundle, scans, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    os.link(scans["noisy"], folder / "good.nii.gz")
    (folder / "bad.nii.gz").write_bytes(scans["noisy"].read_bytes()[:500])
    with pytest.raises(SystemExit, match=r"(?s)1 of 2 scans failed.*bad.nii.gz"):
        denoise(bundle, str(folder), tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "good_denoised.json",
        "good_denoised.nii.gz",
        "good_denoised.png",
    ]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"region": "leg"}, "Unknown region 'leg'"),
        ({"noise_level": -3}, "noise_level is -3"),
        ({"noise_spectrum": "soft"}, "noise_spectrum is 'soft'"),
        ({"steps": 0}, "steps is 0"),
        ({"adapt": -1}, "adapt is -1: use a number of minutes"),
        ({"save_adapted": True}, "save_adapted has nothing to save: give adapt"),
        ({"strength": [50, 130]}, "strength is 130: use a percentage from 0 to 100"),
        ({"strength": "50,100"}, "strength is '50,100': use .*or several such as \\[50,100\\]"),
        ({"strength": [50, 50.0]}, "strength is .*none twice"),
        ({"strength": 130}, "strength is 130: use a percentage from 0 to 100"),
        ({"overlap": 1.5}, "overlap is 1.5"),
        ({"foundation_root": "nowhere"}, "Weights nowhere.* are missing.*foundation_root"),
        ({"image": "missing.nii.gz"}, "missing.nii.gz does not exist"),
    ],
)
def test_bad_options_are_named_in_one_sentence(bundle, scans, tmp_path, options, words):
    options = {"image": str(scans["noisy"])} | options
    with pytest.raises((RuntimeError, SystemExit)) as caught:
        denoise(bundle, output_dir=tmp_path / "out", **options)
    error = caught.value
    sentence = str(error) if isinstance(error, SystemExit) else user_sentence(error)
    assert re.search(words, sentence)
    assert "\n" not in sentence
    assert not (tmp_path / "out").exists()


def test_evaluation_measures_before_and_after(bundle, scans, tmp_path):
    items = [{"image": str(scans["clean"]), "region": "abdomen"}]
    (tmp_path / "datalist.json").write_text(json.dumps({"validation": items}))
    options = {"data_list": str(tmp_path / "datalist.json"), "output_dir": str(tmp_path / "eval")}
    noise = {"noise_level": 27.0, "noise_spectrum": "white"}  # voxels of 5 mm are too coarse to measure it
    workflow = bundle("ct_denoising", "inference.json", "evaluate.json", **options, **noise)
    workflow.run()
    metrics = workflow.parser.get_parsed_content("evaluator").state.metrics
    assert metrics["psnr"] > metrics["psnr_input"] + 2
    assert metrics["ssim"] > metrics["ssim_input"]
    assert (tmp_path / "eval" / "metrics.csv").is_file()


def test_properties_are_complete(bundle, scans):
    workflow = bundle("ct_denoising", "inference.json", image=str(scans["noisy"]))
    assert not workflow.check_properties()
