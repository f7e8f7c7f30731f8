"""One grid in any storage; another grid is refused with what differs."""

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from meddiff_core.errors import InputError
from meddiff_core.transforms.grids import on_grid_of

SHAPE = (6, 7, 8)
VALUES = np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE)


def metatensor(array, affine):
    return MetaTensor(torch.from_numpy(np.ascontiguousarray(array))[None], affine=affine)


def stored(codes, array, affine):
    """The same voxels with their axes in another order and direction."""
    turn = nib.orientations.ornt_transform(nib.io_orientation(affine), nib.orientations.axcodes2ornt(codes))
    return nib.apply_orientation(array, turn), affine @ nib.orientations.inv_ornt_aff(turn, array.shape)


@pytest.mark.parametrize("codes", ["RAS", "LAS", "LPS", "RPI", "SAR", "PIL"])
def test_any_order_of_axes(codes, affine):
    image = metatensor(VALUES, affine)
    moved = on_grid_of(image, metatensor(*stored(codes, VALUES, affine)), "The map")
    np.testing.assert_array_equal(moved.numpy()[0], VALUES)
    np.testing.assert_array_equal(moved.affine, image.affine)
    np.testing.assert_array_equal(moved.meta["spatial_shape"], SHAPE)


def test_halfway_between_two_axes():
    """At 45 degrees the nearest axis of the world hangs on the last digit."""
    half = np.sqrt(0.5)
    affine = np.array([[half, -half, 0, 0], [half, half, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    nearly = affine + 1e-6 * np.array([[1, -1, 0, 0], [-1, 1, 0, 0], [0] * 4, [0] * 4])
    moved = on_grid_of(metatensor(VALUES, affine), metatensor(VALUES, nearly), "The map")
    np.testing.assert_array_equal(moved.numpy()[0], VALUES)


def shifted(affine):
    return VALUES, affine + np.array([[0, 0, 0, 3.0], [0] * 4, [0] * 4, [0] * 4])


def turned(affine):
    c, s = np.cos(0.2), np.sin(0.2)
    return VALUES, np.array([[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]) @ affine


OTHER = {
    "shape": (lambda affine: (VALUES[:, :, :-1], affine), "6 x 7 x 7 voxels of"),
    "voxel size": (
        lambda affine: (VALUES, affine @ np.diag([1, 1, 0.5, 1])),
        "the image has 6 x 7 x 8 voxels of",
    ),
    "position": (shifted, r"lies \S+ voxels \(3 mm\) off the image"),
    "angle": (turned, r"voxels \(.* mm\) off"),
}


@pytest.mark.parametrize("case", OTHER)
def test_another_grid(case, affine):
    change, words = OTHER[case]
    array, other = change(affine)
    with pytest.raises(InputError, match=f"^The map is on another grid: .*{words}.*resample it"):
        on_grid_of(metatensor(VALUES, affine), metatensor(array, other), "The map")


def test_rounded_affine(affine):
    on_grid_of(metatensor(VALUES, affine), metatensor(VALUES, affine.round(3)), "The map")
