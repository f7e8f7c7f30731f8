"""A task in Python: every kind of image, the result of a run of the bundle, the network loaded once."""

from __future__ import annotations

import itk
import nibabel as nib
import numpy as np
import pytest
import torch
from hard_input import in_ras, plain_affine, run, save, small_anatomy, small_hu
from monai.data import MetaTensor

from meddiff_core import load_task
from meddiff_core.errors import InputError

OPTIONS = {"noise_level": 20, "region": "abdomen", "window_size": 64}


@pytest.fixture(scope="module")
def denoise():
    return load_task("ct_denoising", **OPTIONS)


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    """A path, and what a run of the bundle makes of it."""
    folder = tmp_path_factory.mktemp("scan")
    path = save(folder / "scan.nii.gz", small_hu())
    return path, np.asarray(run("ct_denoising", path, folder / "out")[0].dataobj)


def test_every_kind_comes_back_as_it_is(denoise, scan):
    path, expected = scan
    image = nib.load(path)
    tensor = MetaTensor(torch.from_numpy(small_hu().copy())[None], affine=plain_affine())
    for given in (path, str(path), image):
        result = denoise(given)
        assert isinstance(result, nib.Nifti1Image) and np.allclose(result.affine, image.affine)
        np.testing.assert_array_equal(np.asarray(result.dataobj), expected)
    result = denoise(tensor)
    assert isinstance(result, MetaTensor) and torch.allclose(result.affine, tensor.affine)
    np.testing.assert_array_equal(result.numpy()[0], expected)
    np.testing.assert_array_equal(denoise(small_hu(), affine=plain_affine()), expected)


def test_an_itk_image_keeps_its_place(denoise, scan):
    path, expected = scan
    image = itk.imread(str(path))
    result = denoise(image)
    assert isinstance(result, itk.DataObject)
    for what in ("GetOrigin", "GetSpacing", "GetDirection"):
        np.testing.assert_allclose(
            np.asarray(getattr(result, what)()), np.asarray(getattr(image, what)()), atol=1e-4
        )
    np.testing.assert_array_equal(itk.array_from_image(result).T, expected)


def test_several_volumes_are_told_by_their_names(tmp_path):
    find = load_task("ct_anomaly_detection", samples=1, region="abdomen", window_size=64)
    hu = nib.Nifti1Image(small_hu(), plain_affine())
    results = find(hu, anatomy=nib.Nifti1Image(small_anatomy(), plain_affine()))
    assert results.keys() == {"anomaly_map", "anomaly_mask"}
    assert all(in_ras(result).shape == small_hu().shape for result in results.values())


WRONG = [
    (("absent.nii.gz",), "absent.nii.gz"),
    ((np.zeros((9, 9, 9)),), "give its affine"),
    (([1, 2],), "A scan cannot be a list"),
]


@pytest.mark.parametrize(("given", "sentence"), WRONG)
def test_mistakes_are_one_sentence(denoise, given, sentence):
    with pytest.raises(InputError, match=sentence):
        denoise(*given)


def test_mistakes_in_the_call(tmp_path):
    with pytest.raises(InputError, match="There is no option noise_levle: did you mean noise_level"):
        load_task("ct_denoising", noise_levle=3)
    with pytest.raises(InputError, match="There is no bundle ct_denoising in"):
        load_task("ct_denoising", bundles_dir=tmp_path)
