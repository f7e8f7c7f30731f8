"""From thick slices to a grid of thin ones."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from monai.utils import ensure_tuple_rep

from meddiff_core.errors import InputError
from meddiff_core.physics.slab_bounds import smooth_within_range
from meddiff_core.physics.slab_layout import SlabLayout
from meddiff_core.transforms.slab_of_scan import check_profile, is_number, slab_width

logger = logging.getLogger("meddiff")

MAX_FACTOR = 10
"""Thin slices per thick one beyond which next to everything would be invented."""

# By how much a thickness may differ from the one that was asked for before a line says so.
_TOLERANCE = 0.005
_LEAST_VOXELS = 8
# The part of a voxel by which two grids may differ in-plane: affines are often stored with few digits.
_GRID_TOLERANCE = 0.1


class ThinSlicesd(MapTransform):
    """Brings volumes of thick slices to thin ones over the same extent; after `SlicesLastd`.

    The number of slices is whole, so the new thickness is the nearest that divides the extent. The outer
    edges of the volume stay where they are. Each volume's meta tells how the slices lie on the new grid, see
    `SlabLayout`. Not invertible on purpose: the result stays on the thin grid.

    Args:
        keys: MetaTensors `(C, X, Y, Z)` of one grid; absent ones are left out.
        slice_thickness: distance of the new slices in mm; 1 is the finest that the network has seen.
        slice_profile: `box`, `trapezoid`, `gaussian`, or relative weights over a thick slice from inferior to
            superior; None is the box, their mean.
        slice_width: width of a thick slice in mm; None takes SliceThickness of a DICOM header, else the
            distance of the slices.
        mode: for all keys or each: `smooth` makes the smoothest volume whose slab means are the slices, see
            `smooth_within_range`; `nearest` repeats the slices (label maps, pictures).
        like_key: a thin volume of the same in-plane grid, whose slices are taken instead of a thickness.
        slices_key: where the slices of the first key go as they are, for `AgreeWithSlicesd`; None: nowhere.

    Raises:
        InputError: a thickness that is not thinner than the slices, not a number of mm, or less than a tenth
            of theirs; too few slices in all; a profile or width that none can have; or a thin volume on
            another in-plane grid.
    """

    def __init__(
        self,
        keys: KeysCollection = "image",
        slice_thickness: float = 1.0,
        slice_profile: Sequence[float] | str | None = None,
        slice_width: float | None = None,
        mode: Sequence[str] | str = "smooth",
        like_key: str | None = None,
        slices_key: str | None = None,
    ) -> None:
        super().__init__(keys, allow_missing_keys=True)
        if not is_number(slice_thickness) or slice_thickness <= 0:
            raise InputError(f"slice_thickness is {slice_thickness!r}: use a number of mm above 0.")
        if slice_width is not None and (not is_number(slice_width) or slice_width <= 0):
            raise InputError(f"slice_width is {slice_width!r}: use a number of mm above 0.")
        self.slice_thickness = float(slice_thickness)
        self.slice_width = slice_width
        self.slice_profile = check_profile(slice_profile)
        self.mode = ensure_tuple_rep(mode, len(self.keys))
        self.like_key = like_key
        self.slices_key = slices_key

    def __call__(self, data: Mapping[Hashable, MetaTensor]) -> dict[Hashable, MetaTensor]:
        d = dict(data)
        first = self.first_key(d)
        if first == ():  # MONAI's word for none
            return d
        thick = d[first]
        if self.like_key is not None:
            like = d[self.like_key]
            check_in_plane(like, thick)
            affine, n_thin = like.affine, like.shape[-1]
            layout = layout_between(thick, like)
        else:
            affine, n_thin = self._thin_grid(thick)
            layout = SlabLayout(thick.shape[-1], n_thin / thick.shape[-1])
        layout = self._with_slabs(layout, thick)
        slabs = layout.means(n_thin)
        if self.slices_key is not None:
            d[self.slices_key] = regridded(thick, thick.as_tensor(), thick.affine, layout.to_meta())
        for key, mode in self.key_iterator(d, self.mode):
            values = d[key].as_tensor()
            values = slabs.repeat(values) if mode == "nearest" else smooth_within_range(values.float(), slabs)
            d[key] = regridded(d[key], values, affine, layout.to_meta())
        return d

    def _with_slabs(self, layout: SlabLayout, thick: MetaTensor) -> SlabLayout:
        """The layout with the width and the profile of the scan's slabs."""
        width = slab_width(thick, self.slice_width) / float(thick.pixdim[2]) * layout.factor
        profile = self.slice_profile
        return replace(layout, profile=profile.weights, width=width * profile.extent)

    def _thin_grid(self, thick: MetaTensor) -> tuple[torch.Tensor, int]:
        """Affine and number of the thin slices; says what they are."""
        n_thick, spacing = thick.shape[-1], float(thick.pixdim[2])
        n_thin = round(n_thick * spacing / self.slice_thickness)
        if n_thin <= n_thick:
            raise InputError(
                f"slice_thickness is {self.slice_thickness:g} mm, which makes no more slices than the "
                f"{n_thick} of {spacing:g} mm that {_name(thick)} has: use a smaller one."
            )
        if n_thin > MAX_FACTOR * n_thick:
            raise InputError(
                f"slice_thickness is {self.slice_thickness:g} mm, less than a tenth of the {spacing:g} mm "
                f"between the slices of {_name(thick)}: use {spacing / MAX_FACTOR:g} or more."
            )
        if n_thin < _LEAST_VOXELS:
            raise InputError(
                f"{_name(thick)} has {n_thick} slices, which make {n_thin} thin ones: give more slices, or a "
                f"smaller slice_thickness, for at least {_LEAST_VOXELS}."
            )
        thickness = n_thick * spacing / n_thin
        asked = abs(thickness / self.slice_thickness - 1) > _TOLERANCE
        logger.info(
            "Slices: %d of %.4g mm become %d of %.4g mm%s.",
            *(n_thick, spacing, n_thin, thickness),
            f" ({self.slice_thickness:g} mm does not divide the extent)" if asked else "",
        )
        return with_slices(thick.affine, n_thick / n_thin), n_thin


def layout_between(thick: MetaTensor, thin: MetaTensor) -> SlabLayout:
    """How slices side by side lie on the grid of `thin`, both in RAS and on one grid in-plane."""
    to_thin = (torch.linalg.inv(thin.affine) @ thick.affine).tolist()
    factor, centre = to_thin[2][2], to_thin[2][3]
    start = centre + 0.5 - factor / 2
    return SlabLayout(thick.shape[-1], round(factor, 6), round(start, 6))


def check_in_plane(thin: MetaTensor, thick: MetaTensor) -> None:
    """Raise `InputError` unless the corners of both lie alike but for their height."""
    corners = np.array([(*corner, 1) for corner in product(*((0, n - 1) for n in thick.shape[1:]))], float)
    to_thin = (torch.linalg.inv(thin.affine) @ thick.affine).numpy()
    shift = np.abs(corners @ to_thin.T - corners)[:, :2].max()
    if thin.shape[1:3] != thick.shape[1:3] or shift > _GRID_TOLERANCE or to_thin[2, 2] <= 1:
        raise InputError(
            f"{thick.meta['filename_or_obj']} is not made of thicker slices on the in-plane grid of "
            f"{thin.meta['filename_or_obj']}: reconstruct or resample both alike."
        )


def with_slices(affine: torch.Tensor, thickness: float, first: float = 0.0) -> torch.Tensor:
    """Affine of other slices over the same volume.

    Args:
        affine: `(4, 4)` of the present slices, along the third axis.
        thickness: of the new ones, in present ones.
        first: where the first new one begins, in present ones from the outer edge of the first.
    """
    to_present = torch.eye(4, dtype=affine.dtype)
    to_present[2, 2] = thickness
    to_present[2, 3] = first + thickness / 2 - 0.5  # the first voxel's centre
    return affine @ to_present


def regridded(
    volume: MetaTensor, values: torch.Tensor, affine: torch.Tensor, added: Mapping | None = None
) -> MetaTensor:
    """`values` with the metadata and history of `volume` on another grid."""
    meta = {key: value for key, value in volume.meta.items() if key != "affine"}
    return MetaTensor(
        values, affine=affine, meta=meta | dict(added or {}), applied_operations=volume.applied_operations
    )


def _name(volume: MetaTensor) -> str:
    return str(volume.meta.get("filename_or_obj", "the scan"))
