"""The denoising benchmark, on a tiny scan and with the cheap peers."""

import json
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    import benchmark

    return benchmark


@pytest.fixture
def scan(tmp_path):
    """Smooth organs between -40 and 160 HU, 40 x 36 x 20 voxels."""
    field = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal((40, 36, 20)), 3)
    path = tmp_path / "scans" / "patient.nii.gz"
    path.parent.mkdir()
    hu = (60 + 100 * field / np.abs(field).max()).astype(np.int16)
    nib.save(nib.Nifti1Image(hu, np.diag([1.0, 1.0, 2.0, 1.0])), path)
    return path


def _rows(folder):
    return json.loads((folder / "denoising.json").read_text())


def test_table_has_every_method_and_noise(benchmark, scan, tmp_path):
    out = tmp_path / "out"
    benchmark.denoising(
        images=str(scan.parent),
        regions="abdomen",
        output_dir=str(out),
        block="32,32,16",
        methods="noisy,gaussian",
    )
    rows = _rows(out)
    assert [(row["kind"], row["method"]) for row in rows] == [
        ("white", "noisy"),
        ("white", "gaussian"),
        ("correlated", "noisy"),
        ("correlated", "gaussian"),
    ]
    assert all(row["shape"] == [32, 32, 16] and row["sigma_hu"] == 27 for row in rows)
    # 27 of 360 HU is 22.5 dB; smoothing a smooth scan helps.
    assert rows[0]["psnr"] == pytest.approx(22.5, abs=0.2)
    assert rows[1]["psnr"] > rows[0]["psnr"] + 3
    assert rows[1]["ssim"] > rows[0]["ssim"]
    table = (out / "denoising.md").read_text()
    assert "| patient | abdomen | white 27 HU | 32x32x16 | gaussian |" in table


def test_tuned_peers_beat_the_noisy_input(benchmark, scan, tmp_path):
    benchmark.denoising(
        str(scan), "abdomen", str(tmp_path), block="24,24,16", kinds="white", methods="noisy,tv"
    )
    noisy, tv = (row["psnr"] for row in _rows(tmp_path))
    assert tv > noisy + 2


def test_same_seed_same_numbers(benchmark, scan, tmp_path):
    def psnrs(seed, name):
        benchmark.denoising(
            str(scan), "abdomen", str(tmp_path / name), kinds="white", methods="noisy", seed=seed
        )
        return [row["psnr"] for row in _rows(tmp_path / name)]

    assert psnrs(1, "a") == psnrs(1, "b") != psnrs(2, "c")


def test_a_missing_package_is_a_row_not_a_crash(benchmark, scan, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "bm4d", None)
    benchmark.denoising(str(scan), "abdomen", str(tmp_path), kinds="white", methods="bm4d")
    assert _rows(tmp_path)[0]["setting"] == "not installed"


def test_peers_of_an_earlier_run_are_taken_over(benchmark, scan, tmp_path):
    benchmark.denoising(str(scan), "abdomen", str(tmp_path / "first"), kinds="white", methods="noisy")
    earlier = tmp_path / "first" / "denoising.json"
    rows = _rows(tmp_path / "first")
    earlier.write_text(json.dumps([rows[0] | {"psnr": 99.0}]))
    for seed, expected in ((0, 99.0), (1, rows[0]["psnr"])):
        benchmark.denoising(
            str(scan),
            "abdomen",
            str(tmp_path / "again"),
            kinds="white",
            methods="noisy",
            seed=seed,
            peers_from=str(earlier),
        )
        assert _rows(tmp_path / "again")[0]["psnr"] == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"images": "no_such.nii.gz"}, "no_such.nii.gz"),
        ({"regions": "leg"}, "leg"),
        ({"regions": "abdomen,chest"}, "2 regions"),
        ({"kinds": "pink"}, "pink"),
        ({"methods": "magic"}, "magic"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_1(
    benchmark, scan, tmp_path, monkeypatch, capsys, options, named
):
    given = {
        "images": str(scan),
        "regions": "abdomen",
        "output_dir": str(tmp_path),
        "methods": "noisy",
    } | options
    monkeypatch.setattr(
        sys, "argv", ["benchmark.py", "denoising", *(f"--{key}={value}" for key, value in given.items())]
    )
    with pytest.raises(SystemExit) as stop:
        benchmark.main()
    assert stop.value.code == 1
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert named in message
