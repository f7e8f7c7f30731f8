"""The super-resolution benchmark, on a tiny scan and with a ControlNet that has learned nothing yet."""

import json

import benchmark
import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from meddiff_core.errors import InputError, user_sentence
from meddiff_core.networks.controlled_denoiser import ControlledDenoiser
from meddiff_core.networks.ct_denoiser import CTDenoiser
from meddiff_core.training.weight_export import export_weights

METHODS = ["nearest", "trilinear", "trilinear_projected", "cubic", "cubic_projected"]


@pytest.fixture
def scan(tmp_path):
    """Smooth organs between -40 and 160 HU, 24 x 20 x 34 voxels of 1 mm, the axes stored otherwise."""
    field = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal((34, 24, 20)), 2)
    path = tmp_path / "patient.nii.gz"
    affine = np.array([[0, -1, 0, 0], [0, 0, 1, 0], [-1, 0, 0, 0], [0, 0, 0, 1.0]])
    nib.save(nib.Nifti1Image((60 + 100 * field / np.abs(field).max()).astype(np.int16), affine), path)
    return path


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "model.pt"
    export_weights(ControlledDenoiser(CTDenoiser()).control, path)
    return str(path)


@pytest.fixture
def measure(scan, tmp_path):
    """measure(**options) -> rows of a run on the scan, by default of the interpolations at factor 4."""

    def run(**options):
        defaults = {"regions": "abdomen", "slabs": 4, "methods": ",".join(METHODS), "images": str(scan)}
        benchmark.super_resolution(str(tmp_path / "out"), **(defaults | options))
        return json.loads((tmp_path / "out" / "super_resolution.json").read_text())

    return run


def test_table_has_every_method_and_factor(measure, tmp_path):
    rows = measure(slabs="2,4")
    assert [(row["factor"], row["method"]) for row in rows] == [(f, m) for f in (2, 4) for m in METHODS]
    assert [row["shape"] for row in rows] == [[24, 20, 34]] * 5 + [[24, 20, 32]] * 5
    assert (rows[0]["thick_mm"], rows[-1]["thick_mm"]) == (2, 4)
    page = (tmp_path / "out" / "super_resolution.md").read_text()
    assert "simulated thick slices" in page
    assert "| patient | abdomen | 4 to 1 | 24x20x32 | cubic_projected |" in page


def test_slices_that_overlap_and_leave_gaps(measure, weights, tmp_path):
    rows = measure(slabs="4/2,4/6", methods="smooth_in_range,ours_1", weights=weights)
    assert [(row["thick_mm"], row["distance_mm"]) for row in rows] == [(4, 2)] * 2 + [(4, 6)] * 2
    assert all(row["deviation"] < 1 for row in rows if row["distance_mm"] == 6)
    assert "| 4 every 2 to 1 |" in (tmp_path / "out" / "super_resolution.md").read_text()


def test_slices_across_another_axis(measure):
    """The file stores the patient's right, front and head as its second (24), third (20) and first axis."""
    assert [measure(axis=axis, methods="nearest")[0]["shape"] for axis in (0, 1, 2)] == [
        [20, 34, 24],
        [24, 34, 20],
        [24, 20, 32],
    ]


def test_better_methods_score_better_and_only_projected_ones_agree(measure):
    rows = {row["method"]: row for row in measure()}
    psnr = {name: row["psnr"] for name, row in rows.items()}
    assert psnr["nearest"] < psnr["trilinear"] < psnr["trilinear_projected"] < psnr["cubic_projected"]
    assert psnr["cubic"] < psnr["cubic_projected"]
    assert rows["nearest"]["ssim"] < rows["cubic_projected"]["ssim"] <= 1
    for name, row in rows.items():
        assert (row["deviation"] < 1) == (name == "nearest" or name.endswith("projected"))


def test_ours_runs_with_given_weights_and_agrees_with_the_slices(measure, weights):
    rows = measure(methods="ours_1,ours_2", weights=weights, block="16,16,24")
    assert [row["method"] for row in rows] == ["ours_1", "ours_2"]
    assert all(row["weights"] == weights and row["shape"] == [16, 16, 24] for row in rows)
    assert all(row["deviation"] < 1 and np.isfinite(row["psnr"]) for row in rows)


def test_end_slices_are_dropped_as_asked(measure):
    kept, dropped = (measure(methods="nearest", drop_slices=drop)[0] for drop in (0, 3))
    assert kept["psnr"] != dropped["psnr"]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"regions": "leg"}, "leg"),
        ({"methods": "magic"}, "magic"),
        ({"methods": "ours"}, "ours"),
        ({"slabs": 1}, "factor is 1.0"),
        ({"slabs": "two"}, "factor is 'two'"),
        ({"axis": 3}, "axis is '3'"),
        ({"block": "16,16,8"}, "patient has 2 thick slices"),
        ({"methods": "ours_1", "weights": "nowhere/models/model.pt"}, "Weights nowhere"),
    ],
)
def test_a_mistake_is_named(measure, options, named):
    with pytest.raises((InputError, RuntimeError)) as caught:
        measure(**options)
    assert named in user_sentence(caught.value)
