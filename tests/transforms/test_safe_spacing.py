import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Spacingd

from meddiff_core.transforms.spacing import SafeSpacingd


@pytest.fixture
def item():
    meta = {"filename_or_obj": "scan.nii.gz"}
    image = MetaTensor(torch.rand(1, 8, 10, 6), affine=np.diag([2.0, 2.0, 3.0, 1.0]), meta=meta)
    return {"image": image, "image_path": "/data/scan.nii.gz", "image_id": 7, "other": "kept"}


def test_strings_beside_the_image(item):
    with pytest.raises(AttributeError):  # the reason for the class; gone when MONAI repairs it
        Spacingd("image", pixdim=1.0)(item)
    result = SafeSpacingd("image", pixdim=(1.0, 1.0, 1.0))(item)
    assert {key: value for key, value in result.items() if key != "image"} == {
        "image_path": "/data/scan.nii.gz",
        "image_id": 7,
        "other": "kept",
    }


def test_result_and_inverse_are_those_of_spacingd(item):
    plain, safe = Spacingd("image", pixdim=1.0), SafeSpacingd("image", pixdim=1.0)
    expected = plain({"image": item["image"]})
    result = safe(item)
    assert torch.equal(result["image"], expected["image"])
    assert torch.equal(result["image"].affine, expected["image"].affine)
    restored = safe.inverse(result)
    assert torch.equal(restored["image"], plain.inverse(expected)["image"])
    assert restored["image"].shape == item["image"].shape
    assert np.allclose(restored["image"].affine, item["image"].affine)
    assert restored["image_path"] == "/data/scan.nii.gz"
