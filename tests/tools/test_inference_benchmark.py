"""The inference benchmark, on a tiny scan: its counts are right, and its windows are MONAI's."""

import json
import sys

import benchmark
import nibabel as nib
import numpy as np
import pytest
import torch
from benchmarks import inference_forwards, inference_memory
from benchmarks.inference_monai import TimedNetwork, monai_rows
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


def volume(shape, seed=0):
    return torch.randn(1, 1, *shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(40, 32, 24), (24, 24, 16)])
def test_ours_and_monais_windows_agree(shape):
    conditions = torch.randint(0, 120, (1, 1, *shape), generator=torch.Generator().manual_seed(1)).float()
    rows = list(monai_rows(TinyNetwork(), volume(shape), 87, 2, conditions, roi_size=16, repeats=1))
    assert rows[0]["precision"] == "float32"
    assert rows[0]["largest_difference"] <= 1e-5
    for row in rows:
        windows = dense_patch_slices(shape, row["window"], [n // 2 for n in row["window"]])
        assert row["windows"] == len(windows)
        assert all(0 < row[f"network_share_{who}"] < 1 for who in ("ours", "monai"))


def test_a_timed_network_is_the_network():
    network, x = TinyNetwork(), volume((8, 8, 8)).expand(1, 5, 8, 8, 8)
    timed = TimedNetwork(network)
    arguments = {"timesteps": torch.zeros(1), "class_labels": torch.zeros(1)}
    assert timed.divisor == 8 and timed.seconds == 0
    torch.testing.assert_close(timed(x, **arguments), network(x, **arguments))
    assert timed.seconds > 0


def test_forwards_of_a_large_volume_are_counted_and_not_run(scan, monkeypatch):
    calls = []
    parts = inference_forwards.bundle_parts

    class Counted(TinyNetwork):
        def forward(self, x, timesteps, class_labels):
            calls.append(len(x))
            return super().forward(x, timesteps, class_labels)

    def tiny_parts(bundle, **options):
        return *parts(bundle, ("inferer",), **options), Counted()

    monkeypatch.setattr(inference_forwards, "bundle_parts", tiny_parts)
    rows = list(inference_forwards.forwards_rows(scan, (160, 48, 32)))
    forwards = {(row["task"].removeprefix("ct_"), row["preset"]): row["forwards"] for row in rows}
    voxels = {(row["task"].removeprefix("ct_"), row["preset"]): row["voxels"] for row in rows}
    assert forwards["denoising", "paper"] == 2 * 88  # all timesteps from the noise's own on
    assert voxels["denoising", "paper"] == forwards["denoising", "paper"] * 112 * 48 * 32
    assert voxels["denoising", "fast"] <= voxels["denoising", "balanced"] < voxels["denoising", "paper"]
    assert 990 * 2 <= forwards["synthesis", "paper"] <= 1000 * 2
    assert voxels["synthesis", "fast"] < voxels["synthesis", "balanced"] < voxels["synthesis", "paper"] / 10
    assert sum(calls) < 60  # two windows for each stage of a dry run


def test_an_enlarged_scan_keeps_its_extent_and_its_air(scan):
    large = inference_forwards.enlarged(scan, (96, 80, 48))
    assert large.hu.shape == (96, 80, 48)
    np.testing.assert_allclose(large.affine[:3, :3].diagonal(), scan.affine[:3, :3].diagonal() / [2, 2, 1.5])
    assert (large.hu < -900).mean() == pytest.approx((scan.hu < -900).mean(), abs=0.02)


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


def test_the_large_phantom_is_a_scan(tmp_path, monkeypatch):
    monkeypatch.setattr(inference_memory, "_PHANTOM_SHAPE", (64, 64, 48))
    inference_memory.write_large_phantom("chest", (40, 56, 24), tmp_path / "phantom.nii")
    image = nib.load(tmp_path / "phantom.nii")
    assert image.shape == (40, 56, 24) and image.get_data_dtype() == np.int16
    np.testing.assert_allclose(image.header.get_zooms(), (3.2, 64 / 28, 6), rtol=1e-5)
    hu = image.get_fdata()
    body = make_phantom("chest", (40, 56, 24)).hu
    assert np.corrcoef(hu.ravel(), body.ravel())[0, 1] > 0.9


def test_a_page_shows_the_sections_that_were_run(scan):
    forwards = {"task": "ct_denoising", "preset": "fast", "shape": [9, 9, 9], "forwards": 48, "voxels": 39e6}
    memory = {"shape": [8, 8, 8], "peak_gb": 3.5, "announced_gb": None, "volume_gb": 1, "seconds": 2}
    facts = benchmark.inference_benchmark.facts(scan)
    text = benchmark.inference_benchmark.page({"facts": facts, "forwards": [forwards], "memory": [memory]})
    assert "tiny, chest, 48x40x32 voxels of 6x6x8 mm" in text and "sliding_window_inference" not in text
    assert "| ct_denoising | fast | 9x9x9 | 48 | 39.0 |" in text
    assert "| 8x8x8 | 1.0 | 3.5 | n/a | 2.0 |" in text


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
