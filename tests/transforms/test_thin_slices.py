"""Thick slices on a thin grid: where they lie, what they mean, and what is refused."""

from __future__ import annotations

import logging
from itertools import product

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, Invertd, Orientationd

from meddiff_core.errors import InputError
from meddiff_core.physics.slab_layout import SlabLayout
from meddiff_core.transforms.agree_with_slices import AgreeWithSlicesd
from meddiff_core.transforms.thin_slices import ThinSlicesd
from meddiff_core.transforms.windowing import RestoreHUd, ScaleHUd

SHAPE = (12, 14, 16)
SLOPES = np.array([1.5, -2.0, 0.75])  # HU per mm


def world(shape, affine):
    """Positions of the voxels' centres in mm, `(X, Y, Z, 3)`."""
    return nib.affines.apply_affine(np.asarray(affine), np.moveaxis(np.indices(shape), 0, -1))


def corners(shape, affine):
    """The outer corners of a volume in mm, sorted."""
    ends = list(product(*((-0.5, n - 0.5) for n in shape)))
    found = nib.affines.apply_affine(np.asarray(affine), ends).round(4) + 0.0
    return sorted(map(tuple, found))


def scan(hu=None, spacing=(1.0, 1.0, 5.0), affine=None):
    """A MetaTensor `(1, X, Y, Z)` in HU, noise unless given."""
    if hu is None:
        hu = np.random.default_rng(0).normal(0, 200, SHAPE).round()
    affine = np.diag([*spacing, 1.0]) if affine is None else affine
    return MetaTensor(torch.as_tensor(hu)[None].float(), affine=affine, meta={"filename_or_obj": "scan.nii"})


@pytest.mark.parametrize("thickness", [0.25, 0.28])
def test_hu_stay_where_they_are_in_space_however_the_scan_is_stored(affine, thickness):
    image = scan(world(SHAPE, affine) @ SLOPES, affine=affine)
    chain = Compose(
        [
            Orientationd("image", axcodes="RAS", labels=None),
            ThinSlicesd(slice_thickness=thickness, slices_key="slices"),
            ScaleHUd("image", region="chest"),
        ]
    )
    item = chain({"image": image})
    thin = item["image"]
    item["pred"] = thin.as_tensor().clone()
    post = Compose([RestoreHUd("pred"), AgreeWithSlicesd("pred"), Invertd("pred", chain, orig_keys="image")])
    result = post(item)["pred"]
    assert nib.aff2axcodes(result.affine) == nib.aff2axcodes(affine)
    assert corners(result.shape[1:], result.affine) == corners(SHAPE, affine)
    # the outer slabs have neighbours on one side only
    axis = int(np.argmax(np.array(result.shape[1:]) != SHAPE))
    factor = result.shape[1 + axis] / SHAPE[axis]
    margin = int(np.ceil(2 * factor))
    inner = np.moveaxis(result[0].numpy(), axis, 0)[margin:-margin]
    wanted = np.moveaxis(world(result.shape[1:], result.affine) @ SLOPES, axis, 0)[margin:-margin]
    np.testing.assert_allclose(inner, wanted, atol=0.05)


@pytest.mark.parametrize("thickness", [1.0, 2.0, 3.3])
@pytest.mark.parametrize("profile", [None, [1, 2, 1]])
def test_the_means_over_the_slabs_are_the_slices(thickness, profile):
    image = scan()
    thin = ThinSlicesd(slice_thickness=thickness, slice_profile=profile)({"image": image})["image"]
    slabs = SlabLayout.from_meta(thin.meta).means(thin.shape[-1])
    torch.testing.assert_close(slabs.thick(thin.as_tensor()), image.as_tensor(), atol=0.5, rtol=0)


def test_labels_are_repeated_and_an_absent_map_is_left_out():
    labels = np.random.default_rng(0).integers(0, 123, SHAPE)
    thin = ThinSlicesd(["image", "anatomy"], slice_thickness=1.0, mode=["smooth", "nearest"])
    item = thin({"image": scan(), "anatomy": scan(labels)})
    np.testing.assert_array_equal(item["anatomy"][0].numpy(), labels.repeat(5, axis=-1))
    assert torch.equal(item["anatomy"].affine, item["image"].affine)
    assert "anatomy" not in thin({"image": scan()})


def test_the_grid_of_another_volume_is_taken():
    label = scan(np.zeros((*SHAPE[:2], 42)), affine=np.diag([1.0, 1.0, 2.0, 1.0]))
    affine = np.diag([1.0, 1.0, 5.0, 1.0])
    affine[2, 3] = 3.0  # centre of the first slab: its lower edge lies 0.5 mm above the first thin centre
    thin = ThinSlicesd(slice_thickness=1.0, like_key="label")({"image": scan(affine=affine), "label": label})
    assert thin["image"].shape == label.shape
    assert torch.equal(thin["image"].affine, label.affine)
    layout = SlabLayout.from_meta(thin["image"].meta)
    assert (layout.n_thick, layout.factor, layout.start) == (16, 2.5, 0.75)
    assert (layout.within(42, 1).start, layout.within(42, 1).stop) == (4, 38)


@pytest.mark.parametrize(("thickness", "words"), [(1.0, ""), (3.3, "3.3 mm does not divide the extent")])
def test_it_says_what_the_slices_become(caplog, thickness, words):
    with caplog.at_level(logging.INFO, logger="meddiff"):
        ThinSlicesd(slice_thickness=thickness)({"image": scan()})
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("Slices: 16 of 5 mm become ")
    assert ("(" in caplog.messages[0]) == bool(words) and words in caplog.messages[0]


@pytest.mark.parametrize(
    ("thickness", "words"),
    [
        (5.0, "no more slices than the 16 of 5 mm that scan.nii has: use a smaller one"),
        (4.9, "no more slices than the 16"),
        (7, "no more slices than the 16"),
        (0.4, "less than a tenth of the 5 mm between the slices of scan.nii: use 0.5 or more"),
    ],
)
def test_a_thickness_that_does_not_suit_the_scan_is_refused(thickness, words):
    with pytest.raises(InputError, match=rf"slice_thickness is {thickness:g} mm, .*{words}"):
        ThinSlicesd(slice_thickness=thickness)({"image": scan()})


@pytest.mark.parametrize("thickness", [0, -1.0, "thin", None, float("nan"), True])
def test_a_thickness_that_is_none_is_refused_before_a_scan_is_read(thickness):
    with pytest.raises(InputError, match=r"slice_thickness is .*: use a number of mm above 0"):
        ThinSlicesd(slice_thickness=thickness)


@pytest.mark.parametrize("profile", [[], [1, -1], [0, 0], "round", 3, [1, "2"], [float("nan")]])
def test_a_profile_without_weights_is_refused(profile):
    with pytest.raises(
        InputError, match=r"slice_profile is .*: use box, trapezoid, gaussian or a list of weights"
    ):
        ThinSlicesd(slice_profile=profile)


@pytest.mark.parametrize("thickness", [1.0, 1.7])
@pytest.mark.parametrize("profile", [None, [1, 3, 1]])
def test_a_result_agrees_with_the_slices_to_one_hu_after_rounding(thickness, profile):
    hu = np.random.default_rng(0).normal(0, 200, SHAPE).round()
    image = scan(hu)
    thin = ThinSlicesd(slice_thickness=thickness, slice_profile=profile, slices_key="slices")
    item = Compose([thin, ScaleHUd("image", "chest")])({"image": image})
    noise = torch.randn(item["image"].shape, generator=torch.Generator().manual_seed(0))
    item["pred"] = MetaTensor(60 * noise, meta=dict(item["image"].meta))
    slabs = SlabLayout.from_meta(item["image"].meta).means(item["image"].shape[-1])
    as_it_was = AgreeWithSlicesd("pred", projection=False)(item)["pred"]
    torch.testing.assert_close(as_it_was.as_tensor(), item["pred"].as_tensor().clamp(hu.min(), hu.max()))
    result = AgreeWithSlicesd("pred")(item)["pred"]
    assert result.meta["filename_or_obj"] == "scan.nii"
    assert (slabs.thick(result.as_tensor().round()) - image.as_tensor()).abs().max() < 1
    beyond = (result.as_tensor() < hu.min() - 0.01) | (result.as_tensor() > hu.max() + 0.01)
    # slabs at the end of the range that share a voxel with others may need more
    assert beyond.float().mean() <= (0 if thickness == 1.0 and profile is None else 0.005)
    # nothing but what a slab as a whole lacks has changed, but for slabs at the end of the neighbours' range
    if thickness == 1.0 and profile is None:
        change = (result - item["pred"])[0].numpy().reshape(*SHAPE, 5)
        assert (np.ptp(change, axis=-1)[abs(hu) < 400] < 1e-3).mean() > 0.8


def test_a_volume_without_slabs_is_a_bug():
    with pytest.raises(ValueError, match="tell no slabs"):
        SlabLayout.from_meta({})


@pytest.mark.parametrize(
    ("header", "given", "width", "words"),
    [
        ("5.0", None, 5, None),
        ("", None, 5, None),
        ("none", None, 5, None),
        ("7.5", None, 7.5, "7.5 mm thick (SliceThickness of the header) and 5 mm apart, they overlap"),
        ("3", None, 3, "3 mm thick (SliceThickness of the header) and 5 mm apart, they leave gaps"),
        ("3", 10.0, 10, "10 mm thick (slice_width) and 5 mm apart, they overlap"),
        ("50", None, 5, "SliceThickness is 50 mm and the slices are 5 mm apart. That is unlikely"),
    ],
)
def test_slabs_are_as_wide_as_the_header_or_the_user_says(caplog, header, given, width, words):
    image = scan()
    image.meta["SliceThickness"] = header
    with caplog.at_level(logging.WARNING, logger="meddiff"):
        thin = ThinSlicesd(slice_width=given)({"image": image})["image"]
    assert SlabLayout.from_meta(thin.meta).width == pytest.approx(width)
    assert len(caplog.messages) == bool(words)
    if words:
        assert words in caplog.text
    trapezoid = ThinSlicesd(slice_width=given, slice_profile="trapezoid")({"image": image})["image"]
    assert SlabLayout.from_meta(trapezoid.meta).width == pytest.approx(1.5 * width)


@pytest.mark.parametrize("width", [0, -1.0, "thick", True, 21, 0.4])
def test_a_width_that_no_slice_has_is_refused(width):
    with pytest.raises(
        InputError, match=r"slice_width is .*: use|but the slices of scan.nii are 5 mm apart: use 0.5 to 20"
    ):
        ThinSlicesd(slice_width=width)({"image": scan()})


def test_too_few_thin_slices_are_refused():
    thin = ThinSlicesd(slice_thickness=1.25)({"image": scan()[..., :2]})["image"]
    assert thin.shape[-1] == 8
    with pytest.raises(InputError, match="has 2 slices, which make 4 thin ones"):
        ThinSlicesd(slice_thickness=2.5)({"image": scan()[..., :2]})


@pytest.mark.parametrize("projection", [True, False])
def test_nothing_rings_beside_bone(projection):
    hu = np.full(SHAPE, 30.0)
    hu[:, :, 6:9] = 1500  # a vault between two slices: the smoothest volume rings there
    hu[:, :, 12:] = -1000
    item = ThinSlicesd(slices_key="slices")({"image": scan(hu)})
    item["pred"] = item["image"] + 200 * torch.randn(item["image"].shape)
    result = AgreeWithSlicesd("pred", projection=projection)(item)["pred"]
    assert result.min() >= -1000.5 and result.max() <= 1500.5
    brain = result[..., :25].as_tensor()  # the last slice before the vault has bone beside it
    if projection:
        assert brain.min() >= 29.5 and brain.max() <= 30.5
        slabs = SlabLayout.from_meta(result.meta).means(result.shape[-1])
        assert (slabs.thick(result.as_tensor()) - torch.as_tensor(hu)[None]).abs().max() < 0.5
