"""Simulated low-dose scans of a data list: what they keep, and what their noise depends on."""

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from meddiff_core.errors import InputError
from meddiff_core.transforms.low_dose import SimulateLowDosed


def _correlation(noise, axis):
    """Correlation of neighbours along an axis, for noise that is periodic."""
    return float((noise * np.roll(noise, 1, axis)).mean() / noise.var())


def _image(hu, name="/data/a.nii.gz", affine=None):
    affine = torch.eye(4, dtype=torch.float64) if affine is None else affine
    return MetaTensor(torch.as_tensor(hu)[None], affine=affine, meta={"filename_or_obj": name})


def test_transform_keeps_the_clean_scan_and_the_geometry():
    hu = np.full((24, 20, 16), 40, np.float32)
    affine = torch.diag(torch.tensor([2.0, 2.0, 3.0, 1.0], dtype=torch.float64))
    item = SimulateLowDosed("image", "white", 27)({"image": _image(hu, affine=affine), "region": "abdomen"})
    assert np.array_equal(item["clean_image"][0].numpy(), hu)
    assert isinstance(item["image"], MetaTensor)
    assert torch.equal(item["image"].affine, affine)
    assert item["image"].shape == (1, 24, 20, 16)
    assert item["image"].dtype == torch.float32
    assert float((item["image"] - item["clean_image"]).std()) == pytest.approx(27, rel=0.05)


def test_transform_draws_by_file_name_not_by_folder_or_order():
    hu = np.zeros((12, 12, 12), np.float32)
    simulate = SimulateLowDosed("image", "white", 27)
    first = simulate({"image": _image(hu, "/data/a.nii.gz")})["image"]
    other = simulate({"image": _image(hu, "/data/b.nii.gz")})["image"]
    moved = simulate({"image": _image(hu, "/elsewhere/a.nii.gz")})["image"]
    assert torch.equal(first, moved)
    assert not torch.equal(first, other)


def test_transform_finds_the_slice_axis_in_the_affine():
    hu = np.zeros((32, 48, 48), np.float32)  # slices along the first axis
    affine = torch.tensor([[0, 1, 0, 0], [0, 0, 1, 0], [5, 0, 0, 0], [0, 0, 0, 1]], dtype=torch.float64)
    noise = SimulateLowDosed("image", "correlated", 1)({"image": _image(hu, affine=affine)})["image"][
        0
    ].numpy()
    assert noise.shape == hu.shape
    assert abs(_correlation(noise, 0)) < 0.05
    assert _correlation(noise, 1) > 0.2


@pytest.mark.parametrize(("kind", "level"), [("pink", 27), ("white", -1), ("sinogram", 27), ("sinogram", 0)])
def test_impossible_noise_is_one_clear_sentence(kind, level):
    with pytest.raises(InputError, match=r"pink|-1|27|0"):
        SimulateLowDosed("image", kind, level)
