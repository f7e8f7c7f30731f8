"""Which axis lies across the slices, and that the way back is exact."""

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, Invertd

from meddiff_core.errors import InputError
from meddiff_core.transforms.slices_last import SlicesLastd, slice_plane


def scan(affine):
    values = torch.arange(6 * 7 * 8, dtype=torch.float32).reshape(1, 6, 7, 8)
    return MetaTensor(values, affine=np.asarray(affine, dtype=float))


@pytest.mark.parametrize(
    ("spacing", "plane"),
    [
        ((1, 1, 5), "axial"),
        ((1, 5, 1), "coronal"),
        ((5, 1, 1), "sagittal"),
        ((0.9, 3, 0.9), "coronal"),
        ((1, 1, 1), "axial"),
        ((1, 1, 0.625), "axial"),  # thin axial slices
        ((1, 1.1, 0.8), "axial"),
    ],
)
@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (2, 1, 0)])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_thick_axis_comes_last_and_goes_back(spacing, plane, order, sign):
    affine = np.eye(4)
    affine[:3, :3] = sign * np.diag(spacing)[:, order]
    affine[:3, 3] = (-30, 20, 10)
    image = scan(affine)
    assert slice_plane(image) == plane
    chain = Compose([SlicesLastd()])
    turned = chain({"image": image})["image"]
    across = {"axial": "S", "coronal": "A", "sagittal": "R"}[plane]
    codes = nib.aff2axcodes(turned.affine.numpy())
    assert codes[2] == across and set(codes) == set("RAS")
    back = Invertd("pred", chain, orig_keys="image")({"image": turned, "pred": turned.clone()})["pred"]
    torch.testing.assert_close(back.as_tensor(), image.as_tensor())
    torch.testing.assert_close(back.affine, image.affine)


def test_an_oblique_scan():
    angle = np.deg2rad(20)
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([1.0, 4.0, 1.0])
    assert slice_plane(scan(affine)) == "coronal"


@pytest.mark.parametrize(("axis", "codes"), [(0, "ASR"), ("1", "RSA"), (2, "RAS"), ("auto", "RSA")])
def test_an_axis_that_is_named_is_taken(axis, codes):
    """As the scan is stored: the axes of this one are R, A and S, and the second has the thickest voxels."""
    image = scan(np.diag([1.0, 4.0, 1.0, 1.0]))
    image.meta["SliceThickness"] = "4"
    turned = SlicesLastd(axis=axis)({"image": image})["image"]
    assert "".join(nib.aff2axcodes(turned.affine.numpy())) == codes
    assert ("SliceThickness" in turned.meta) == (axis == 2)  # it is that of slices along the last stored axis


def test_an_axis_that_is_none_is_refused():
    with pytest.raises(InputError, match="axis is '3': use one of auto, 0, 1, 2"):
        SlicesLastd(axis=3)
