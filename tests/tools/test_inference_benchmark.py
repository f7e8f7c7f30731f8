"""The inference benchmark, on a tiny scan: its counts are right, and its methods agree where they must."""

import json
import sys
from dataclasses import replace

import benchmark
import nibabel as nib
import numpy as np
import pytest
import torch
from benchmarks import inference_forwards, inference_levers, inference_memory, inference_scaling
from benchmarks.inference_monai import monai_rows
from benchmarks.inference_network import DefaultLayout, TimedNetwork
from benchmarks.inference_plot import plot
from benchmarks.inference_tables import page
from benchmarks.inference_tasks import TASKS, denoising_task, enlarged, synthesis_task
from benchmarks.scans import Scan
from monai.data.utils import dense_patch_slices

from meddiff_core.errors import InputError
from meddiff_core.phantoms import make_phantom

SHAPE = (48, 40, 32)


class TinyNetwork(torch.nn.Module):
    """A convolution of all five channels, so that places and conditions count."""

    divisor = 8

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.convolution = torch.nn.Conv3d(5, 1, 3, padding=1)

    def forward(self, x, timesteps, class_labels):
        return 0.1 * self.convolution(x) + 0.001 * class_labels.reshape(-1, 1, 1, 1, 1)


@pytest.fixture(scope="module")
def scan():
    phantom = make_phantom("chest", SHAPE, (6.0, 6.0, 8.0))
    return Scan("tiny", np.asarray(phantom.hu, np.float32), phantom.affine, "chest")


@pytest.fixture(scope="module", params=sorted(TASKS))
def task(request, scan):
    return replace(TASKS[request.param](scan), network=TinyNetwork())


@pytest.fixture(scope="module")
def levers(scan):
    """Rows of both tasks, none of them run."""
    tasks = [replace(make(scan), network=TinyNetwork()) for make in TASKS.values()]
    return [row for task in tasks for row in inference_levers.lever_rows(task, longest=-1)]


def volume(shape, seed=0):
    return torch.randn(1, 1, *shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(40, 32, 24), (16, 48, 16), (24, 24, 8)])
def test_ours_and_monais_windows_agree(shape):
    conditions = torch.randint(0, 120, (1, 1, *shape), generator=torch.Generator().manual_seed(1)).float()
    rows = list(monai_rows(TinyNetwork(), volume(shape), 87, 2, conditions, roi_size=16, repeats=2))
    assert rows[0]["precision"] == "float32"
    assert rows[0]["largest_difference"] <= 1e-5
    for row in rows:
        windows = dense_patch_slices(shape, row["window"], [n // 2 for n in row["window"]])
        assert row["windows"] == len(windows)
        assert all(0 < row[f"network_share_{who}"] < 1 for who in ("ours", "monai"))


@pytest.mark.parametrize(
    "setting",
    [
        {"roi_size": 16, "overlap": 0.5, "skip_air": False, "moving_windows": False, "evened": False},
        {"roi_size": 16, "overlap": 0.125, "skip_air": False, "moving_windows": False},
        {"roi_size": 24, "overlap": 0.125},
    ],
)
def test_what_is_counted_beforehand_goes_through_the_network(task, setting):
    setting = setting | {"steps": 3}
    expected = inference_levers.rehearse(task, setting)
    network, seconds, result = inference_levers.run(task, setting)
    assert network.seconds < seconds and expected.seconds > 0
    # pieces of moving windows are some more or less, by chance
    exactly = setting.get("moving_windows") is False
    assert network.forwards == pytest.approx(expected.forwards, rel=0 if exactly else 0.3)
    assert network.voxels == pytest.approx(expected.voxels, rel=0 if exactly else 0.3)
    assert result.shape == task.inputs.shape
    assert all(
        np.isfinite(v) for v in task.quality(result, expected.windows).values() if isinstance(v, float)
    )


def test_windows_that_are_not_evened_out_are_monais(scan):
    task = replace(denoising_task(scan), network=TinyNetwork())
    setting = inference_levers.PLAIN | {"roi_size": (32, 24, 32), "steps": 1}
    tally = inference_levers.rehearse(task, setting, timed=False)
    assert tally.windows == dense_patch_slices(SHAPE, (32, 24, 32), (16, 12, 16))
    assert tally.forwards == len(tally.windows) and tally.voxels == tally.forwards * 32 * 24 * 32
    evened = inference_levers.rehearse(task, setting | {"evened": True}, timed=False)
    assert evened.forwards == tally.forwards and evened.voxels <= tally.voxels


def test_each_lever_is_a_row_and_a_run_that_takes_too_long_is_none(levers):
    named = [(task, name) for task, rows in inference_levers.LEVERS.items() for name, _ in rows]
    assert [(row["task"], row["lever"]) for row in levers] == named
    assert not any("seconds" in row or "psnr" in row or "hu_error" in row for row in levers)
    forwards = {task: [row["forwards"] for row in levers if row["task"] == task] for task in TASKS}
    assert forwards["denoising"][0] == 1000  # one window is enough here
    assert forwards["denoising"][3] == 88  # timesteps up to that of the noise
    assert forwards["denoising"][-2:] == [1, 1]
    assert 990 <= forwards["synthesis"][0] <= 1000
    assert all(row["expected_seconds"] > 0 for row in levers)


def test_a_run_has_its_quality(scan, monkeypatch):
    levers = {"denoising": [("1 step", {"steps": 1})], "synthesis": [("2 steps", {"steps": 2})]}
    monkeypatch.setattr(inference_levers, "LEVERS", levers)
    (denoised,) = inference_levers.lever_rows(denoising_task(scan), longest=1e9)
    assert denoised["psnr"] > denoised["psnr_noisy"] + 3
    small = replace(synthesis_task(scan), network=TinyNetwork())
    (made,) = inference_levers.lever_rows(small, longest=1e9)
    assert made["hu_error"] > 0 and {"lung", "body"} <= made["hu_by_class"].keys()


def test_the_plain_recipe_has_no_second_round(scan):
    narrow = replace(synthesis_task(scan._replace(region="abdomen")), network=TinyNetwork())
    plain = inference_levers.LEVERS["synthesis"][0][1]
    once, twice = (
        inference_levers.rehearse(narrow, plain | {"wide_alone": alone}, timed=False).forwards
        for alone in (True, False)
    )
    assert 990 <= once <= 1000 < twice


def test_a_misspelt_setting_is_an_error(task):
    with pytest.raises(AttributeError, match="stepz"):
        inference_levers.rehearse(task, {"stepz": 1})


def test_forwards_of_a_large_volume_are_counted_and_not_run(scan, monkeypatch):
    monkeypatch.setattr(TimedNetwork, "__call__", None)
    denoising, synthesis = inference_forwards.forwards_rows(scan, (160, 136, 64))
    assert denoising["forwards_plain"] == 1000 * 2 * 2 * 1
    assert denoising["voxels_plain"] == denoising["forwards_plain"] * 128 * 128 * 64
    assert denoising["voxels_fast"] <= denoising["voxels_balanced"] < denoising["voxels_plain"] / 1000
    assert synthesis["voxels_fast"] < synthesis["voxels_balanced"] < synthesis["voxels_plain"] / 10


def test_an_enlarged_scan_keeps_its_extent_and_its_air(scan):
    large = enlarged(scan, (96, 80, 48))
    assert large.hu.shape == (96, 80, 48)
    np.testing.assert_allclose(large.affine[:3, :3].diagonal(), scan.affine[:3, :3].diagonal() / [2, 2, 1.5])
    assert (large.hu < -900).mean() == pytest.approx((scan.hu < -900).mean(), abs=0.02)


def test_one_evaluation_is_timed_around_the_body():
    row = inference_scaling.evaluation(TinyNetwork(), 96, repeats=1)
    assert row["body_voxels"] / 96**3 == pytest.approx(np.pi / 4 * 0.9 * 0.6, rel=0.03)
    assert row["windows"] == 1 and row["voxels"] < 96**3
    assert row["windows_per_second"] == pytest.approx(1 / row["seconds"])


def test_the_line_is_that_of_the_points():
    rows = [{"body_voxels": n, "seconds": 0.5 + 2e-6 * n} for n in (1e5, 2e5, 4e5)]
    line = inference_scaling.fit(rows)
    assert line == pytest.approx({"us_per_body_voxel": 2.0, "intercept": 0.5, "r2": 1.0})
    assert inference_scaling.fit(rows[:1]) is None


@pytest.mark.cli
def test_two_processes_share_the_windows():
    result = inference_scaling.scaling(TinyNetwork(), [16, 24], processes=[2], repeats=1)
    assert [(row["processes"], row["size"]) for row in result["rows"]] == [(2, 16), (2, 24)]
    assert result["fit"]["2"].keys() == {"us_per_body_voxel", "intercept", "r2"}


@pytest.mark.cli
def test_peak_memory_is_that_of_the_command():
    small, large = (
        inference_memory.peak_memory(
            [sys.executable, "-c", f"print('peak'); x = bytearray({n}); x[::512] = x[::512]"]
        )
        for n in (1, 300_000_000)
    )
    assert large[0] - small[0] == pytest.approx(300e6, rel=0.2)
    assert small[0] < 100e6 and small[1].startswith("peak")
    with pytest.raises(InputError, match="no such scan"):
        inference_memory.peak_memory([sys.executable, "-c", "raise SystemExit('no such scan')"])


def test_the_large_phantom_is_a_scan(tmp_path):
    inference_memory.write_large_phantom("chest", (40, 56, 24), tmp_path / "phantom.nii")
    image = nib.load(tmp_path / "phantom.nii")
    assert image.shape == (40, 56, 24) and image.get_data_dtype() == np.int16
    np.testing.assert_allclose(image.header.get_zooms(), (6.4, 128 / 28, 12), rtol=1e-5)
    hu = image.get_fdata()
    body = make_phantom("chest", (40, 56, 24)).hu
    assert np.corrcoef(hu.ravel(), body.ravel())[0, 1] > 0.9


def test_the_layout_changes_and_the_network_does_not():
    network = TinyNetwork().to(memory_format=torch.channels_last_3d)
    plain = DefaultLayout(network)
    assert plain.divisor == 8 and plain.network.convolution.weight.is_contiguous()
    assert not network.convolution.weight.is_contiguous()
    x = volume((8, 8, 8)).expand(1, 5, 8, 8, 8)
    arguments = {"timesteps": torch.zeros(1), "class_labels": torch.zeros(1)}
    torch.testing.assert_close(plain(x, **arguments), network(x, **arguments))


def test_page_and_plot_show_all_sections(levers, scan, tmp_path):
    (tmp_path / "scan").mkdir()
    result = {
        "facts": benchmark.inference_benchmark.facts(scan, repeats=1),
        "levers": levers,
        "scaling": {
            "rows": [inference_scaling.evaluation(TinyNetwork(), n, 1) | {"processes": 1} for n in (16, 24)],
            "fit": {"1": {"us_per_body_voxel": 2.0, "intercept": 0.5, "r2": 0.9}},
        },
        "memory": {"shape": [8, 8, 8], "peak_gb": 3.5, "announced_gb": None, "volume_gb": 1, "seconds": 2},
    }
    text = page(result)
    for part in ("tiny, chest, 48x40x32 voxels", "| plain: 1000 steps", "| ~", "r^2 0.9000", "| 3.5 | - |"):
        assert part in text
    plot(result, tmp_path / "inference.png")
    assert (tmp_path / "inference.png").stat().st_size > 10_000


def test_command_writes_tables(scan, tmp_path, save_nifti):
    path = save_nifti(tmp_path / "scan.nii.gz", scan.hu.astype(np.int16), scan.affine)
    benchmark.inference(str(tmp_path / "out"), str(path), sections="monai", block="30,24,24", repeats=1)
    result = json.loads((tmp_path / "out" / "inference.json").read_text())
    assert result["facts"]["volume"] == "scan" and result["facts"]["shape"] == list(SHAPE)
    assert result["monai"][0]["shape"] == [24, 24, 24]
    assert result["monai"][0]["largest_difference"] <= 1e-5
    assert "| float32 | 24x24x24 | 1 of 24x24x24 |" in (tmp_path / "out" / "inference.md").read_text()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"sections": "speed"}, "speed"),
        ({"regions": "chest,abdomen"}, "2 images"),
        ({"regions": "leg"}, "leg"),
    ],
)
def test_a_mistake_is_named(options, named, tmp_path):
    with pytest.raises(InputError, match=named):
        benchmark.inference(str(tmp_path), **options)
