"""Pairs of thick and thin slices, simulated and real."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from meddiff_core.errors import InputError
from meddiff_core.physics.slab_layout import SlabLayout
from meddiff_core.transforms.simulated_slices import SimulateThickSlicesd
from meddiff_core.transforms.thin_slices import ThinSlicesd


def volume(n_slices, thickness=1.0, first_edge=0.0, name="thin.nii", shift=0.0):
    """Noise of 10 x 12 voxels per slice; `first_edge` is the lower edge of the volume in mm."""
    hu = np.random.default_rng(0).normal(0, 200, (10, 12, n_slices))
    affine = np.diag([1.0, 1.0, thickness, 1.0])
    affine[:3, 3] = (shift, 0, first_edge + thickness / 2)
    return MetaTensor(torch.as_tensor(hu)[None].float(), affine=affine, meta={"filename_or_obj": name})


def test_thick_slices_are_means_of_whole_slabs():
    thin = volume(23)
    pair = SimulateThickSlicesd(factor=5)({"image": thin})
    label, thick = pair["label"], pair["image"]
    np.testing.assert_array_equal(label, thin[..., :20])
    assert torch.equal(label.affine, thin.affine)
    np.testing.assert_allclose(thick[0], label[0].numpy().reshape(10, 12, 4, 5).mean(-1), atol=1e-3)
    np.testing.assert_allclose(thick.affine, np.array(volume(4, 5.0).affine), atol=1e-9)
    assert thick.meta["simulated"] is True
    assert thick.meta["filename_or_obj"] == "thin.nii"


def test_a_profile_weights_the_slab():
    thin = volume(20)
    pair = SimulateThickSlicesd(factor=5, slice_profile=[0, 0, 1, 0, 0])({"image": thin})
    np.testing.assert_allclose(pair["image"], thin[..., 2::5], atol=1e-3)


def test_a_real_thick_scan_is_cut_to_what_both_show():
    thin, thick = volume(40, first_edge=-7.5), volume(20, 2.5, first_edge=-11.0, name="thick.nii")
    pair = SimulateThickSlicesd(factor=5)({"image": thin, "thick": thick})
    assert "thick" not in pair
    # thick edges at -11, -8.5, -6.0, ..., 31.5, 34; thin edges at -7.5, ..., 32.5
    np.testing.assert_array_equal(pair["image"], thick[..., 2:17])
    assert pair["image"].meta["simulated"] is False
    np.testing.assert_array_equal(pair["label"], thin[..., 1:39])
    layout = SlabLayout.from_meta(ThinSlicesd(like_key="label")(pair)["image"].meta)
    assert (layout.n_thick, layout.factor, layout.start) == (15, 2.5, 0.5)


@pytest.mark.parametrize(
    "thick",
    [
        volume(8, 5.0, name="thick.nii", shift=0.5),
        volume(40, 1.0, name="thick.nii"),
        volume(8, 5.0, name="thick.nii")[:, :9],
    ],
)
def test_a_thick_scan_on_another_grid_is_refused(thick):
    with pytest.raises(InputError, match=r"thick.nii is not made of thicker slices on .*thin.nii"):
        SimulateThickSlicesd()({"image": volume(40), "thick": thick})


def test_a_thick_scan_of_another_part_is_refused():
    with pytest.raises(InputError, match=r"thick.nii has less than two slices within thin.nii"):
        SimulateThickSlicesd()({"image": volume(40), "thick": volume(8, 5.0, 34.0, name="thick.nii")})


def test_too_few_slices_are_refused():
    with pytest.raises(InputError, match=r"thin.nii has 9 slices"):
        SimulateThickSlicesd(factor=5)({"image": volume(9)})


@pytest.mark.parametrize("factor", [1, 11, 1.2, "two", True])
def test_a_factor_out_of_range_is_refused(factor):
    with pytest.raises(InputError, match=r"factor is .*: use a number from 1.5 to 10"):
        SimulateThickSlicesd(factor=factor)


def test_slices_overlap_or_leave_gaps_as_their_header_tells():
    thin = volume(40, thickness=0.5)
    pair = SimulateThickSlicesd(factor=2.5, slice_width=5)({"image": thin})
    assert pair["image"].shape[-1] == 16 and pair["image"].meta["SliceThickness"] == 2.5
    np.testing.assert_allclose(pair["image"].pixdim[2], 1.25)
    weights = np.array([0.25, 1, 1, 1, 1, 0.75]) / 5  # the fifth slab's centre: 4.5 * 2.5 = 11.25
    np.testing.assert_allclose(pair["image"][0, ..., 4], thin[0, ..., 8:14].numpy() @ weights, atol=1e-3)
    layout = SlabLayout.from_meta(ThinSlicesd(like_key="label")(pair)["image"].meta)
    assert (layout.factor, layout.width) == (2.5, 5.0)


def test_a_width_below_a_slice_is_refused():
    with pytest.raises(InputError, match=r"slice_width is 0.5: use a number of thin slices"):
        SimulateThickSlicesd(slice_width=0.5)
