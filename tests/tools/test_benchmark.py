"""The denoising benchmark, on a tiny scan and with the cheap peers."""

import json
import sys

import benchmark
import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from meddiff_core.commands import run_command
from meddiff_core.errors import InputError

TABLE = "denoising.json"


@pytest.fixture
def scan(tmp_path):
    """Smooth organs between -40 and 160 HU beside a layer of air, 40 x 36 x 20 voxels."""
    field = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal((40, 36, 20)), 3)
    path = tmp_path / "scans" / "patient.nii.gz"
    path.parent.mkdir()
    hu = (60 + 100 * field / np.abs(field).max()).astype(np.int16)
    hu[0] = -1000
    nib.save(nib.Nifti1Image(hu, np.diag([1.0, 1.0, 2.0, 1.0])), path)
    return path


def _measure(scan, out, **options):
    """Rows of a run on white noise with the noisy input alone, unless the options say otherwise."""
    defaults = {"regions": "abdomen", "kinds": "white", "methods": "noisy"}
    benchmark.denoising(str(out), str(scan), **(defaults | options))
    return json.loads((out / TABLE).read_text())


def test_table_has_every_method_and_noise(scan, tmp_path):
    rows = _measure(
        scan.parent, tmp_path, block="32,32,16", kinds="white,correlated", methods="noisy,gaussian"
    )
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
    table = (tmp_path / "denoising.md").read_text()
    assert "| patient | abdomen | white 27 HU | 32x32x16 | gaussian |" in table


def test_tuned_peers_beat_the_noisy_input(scan, tmp_path):
    noisy, tv = (row["psnr"] for row in _measure(scan, tmp_path, methods="noisy,tv"))
    assert tv > noisy + 2


def test_same_seed_same_numbers(scan, tmp_path):
    first, again, other = (_measure(scan, tmp_path / str(i), seed=s) for i, s in enumerate((1, 1, 2)))
    assert first[0]["psnr"] == again[0]["psnr"] != other[0]["psnr"]


def test_sinogram_noise_needs_no_level_in_hu(scan, tmp_path):
    low, high = (row["sigma_hu"] for row in _measure(scan, tmp_path, kinds="sinogram_10,sinogram_50"))
    assert 27 > low > 2.5 * high > 0


def test_a_missing_package_is_a_row_not_a_crash(scan, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "bm4d", None)
    assert _measure(scan, tmp_path, methods="bm4d")[0]["setting"] == "not installed"


def test_peers_of_an_earlier_run_are_taken_over_where_the_case_agrees(scan, tmp_path):
    rows = _measure(scan, tmp_path / "first")
    earlier = tmp_path / "first" / TABLE
    earlier.write_text(json.dumps([rows[0] | {"psnr": 99.0}]))
    assert _measure(scan, tmp_path, peers_from=str(earlier))[0]["psnr"] == 99.0
    assert _measure(scan, tmp_path, peers_from=str(earlier), seed=1)[0]["psnr"] < 30


def test_a_data_list_names_scans_and_regions(scan, tmp_path):
    listed = tmp_path / "datalist.json"
    listed.write_text(json.dumps({"validation": [{"image": "scans/patient.nii.gz", "region": "head_neck"}]}))
    assert _measure(listed, tmp_path)[0]["region"] == "head_neck"


def test_phantoms_stand_in_where_no_scan_is_given(tmp_path):
    benchmark.denoising(str(tmp_path), regions="abdomen", block="32,32,16", kinds="white", methods="noisy")
    assert json.loads((tmp_path / TABLE).read_text())[0]["volume"] == "phantom_abdomen"


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"regions": "leg"}, "leg"),
        ({"regions": "abdomen,chest"}, "2 regions"),
        ({"kinds": "pink"}, "pink"),
        ({"kinds": "sinogram"}, "sinogram_25"),
        ({"kinds": "sinogram_100"}, "between 0 and 1"),
        ({"methods": "magic"}, "magic"),
    ],
)
def test_a_mistake_is_named(scan, tmp_path, options, named):
    with pytest.raises(InputError, match=named):
        _measure(scan, tmp_path, **options)


def test_a_command_line_with_a_mistake_writes_nothing(tmp_path):
    options = ["--images", "no_such.nii.gz", "--regions", "abdomen", "--output_dir", str(tmp_path)]
    with pytest.raises(InputError, match=r"no_such.nii.gz"):
        run_command(benchmark.COMMANDS, ["denoising", *options])
    with pytest.raises(InputError, match="Unknown option --region: did you mean --regions"):
        run_command(benchmark.COMMANDS, ["denoising", "--region", "abdomen", "--output_dir", str(tmp_path)])
    assert not list(tmp_path.iterdir())
