"""From thick slices to a grid of thin ones, and the agreement of a result with what was measured."""

from __future__ import annotations

import logging
import math
from collections.abc import Hashable, Mapping, Sequence
from itertools import product

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from monai.utils import ensure_tuple_rep

from meddiff_core.conditions.regions import region_window
from meddiff_core.errors import InputError, check_flag
from meddiff_core.physics.slab_layout import SlabLayout
from meddiff_core.physics.slabs import SlabMeans
from meddiff_core.transforms.slice_doubts import tell_gaps, tell_rings

logger = logging.getLogger("meddiff")

MAX_FACTOR = 10
"""Thin slices per thick one beyond which next to everything would be invented."""

# By how much a thickness may differ from the one that was asked for before a line says so.
_TOLERANCE = 0.005
# Clamping to the range and correcting the means take turns until the means hold to so many HU, or so often.
_CLOSE_HU = 0.3
_ROUNDS = 60
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
        slice_profile: relative weights over a thick slice from inferior to superior; None is their mean.
        mode: for all keys or each: `smooth` makes the smoothest volume whose slab means are the slices, see
            `SlabMeans.upsample`; `nearest` repeats the slices (label maps, pictures).
        like_key: a thin volume of the same in-plane grid, whose slices are taken instead of a thickness.

    Raises:
        InputError: a thickness that is not thinner than the slices, not a number of mm, or less than a tenth
            of theirs; too few slices in all; a profile that holds no weights; or a thin volume on another
            in-plane grid.
    """

    def __init__(
        self,
        keys: KeysCollection = "image",
        slice_thickness: float = 1.0,
        slice_profile: Sequence[float] | None = None,
        mode: Sequence[str] | str = "smooth",
        like_key: str | None = None,
    ) -> None:
        super().__init__(keys, allow_missing_keys=True)
        if not _is_number(slice_thickness) or slice_thickness <= 0:
            raise InputError(f"slice_thickness is {slice_thickness!r}: use a number of mm above 0.")
        self.slice_thickness = float(slice_thickness)
        self.slice_profile = check_profile(slice_profile)
        self.mode = ensure_tuple_rep(mode, len(self.keys))
        self.like_key = like_key

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
            layout = layout_between(thick, like, self.slice_profile)
        else:
            affine, n_thin = self._thin_grid(thick)
            layout = SlabLayout(thick.shape[-1], n_thin / thick.shape[-1], profile=self.slice_profile)
        slabs = layout.means(n_thin)
        for key, mode in self.key_iterator(d, self.mode):
            values = d[key].as_tensor()
            values = slabs.repeat(values) if mode == "nearest" else slabs.upsample(values.float())
            d[key] = regridded(d[key], values, affine, layout.to_meta())
        return d

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
        tell_gaps(thick)
        thickness = n_thick * spacing / n_thin
        asked = abs(thickness / self.slice_thickness - 1) > _TOLERANCE
        logger.info(
            "Slices: %d of %.4g mm become %d of %.4g mm%s.",
            *(n_thick, spacing, n_thin, thickness),
            f" ({self.slice_thickness:g} mm does not divide the extent)" if asked else "",
        )
        return with_slices(thick.affine, n_thick / n_thin), n_thin


class AgreeWithSlicesd(MapTransform):
    """Makes the slab means of a result equal the slices that were measured, in HU (eq. 12, last projection).

    What a slab lacks is added to all of its voxels alike, so detail within it stays. Rounding to whole HU
    afterwards leaves less than 1 HU. HU stay in the range of the slices, too; only where slabs share a voxel
    (they are no whole number of voxels) and one is at the end of the range, the means may not allow it.
    Outside the region's window the result is an interpolation, which rings beside bone: a line says so.

    Args:
        keys: results in HU, `(1, X, Y, Z)` on the thin grid.
        original_key: the input as the network saw it: by `ThinSlicesd` and `ScaleHUd`; its first channel.
        projection: False leaves the slab means of the results as they are.

    Raises:
        InputError: projection is neither true nor false.
    """

    def __init__(self, keys: KeysCollection, original_key: str = "image", projection: bool = True) -> None:
        super().__init__(keys)
        self.original_key = original_key
        self.projection = check_flag("projection", projection)

    def __call__(self, data: Mapping[Hashable, MetaTensor]) -> dict[Hashable, MetaTensor]:
        d = dict(data)
        original = d[self.original_key]
        slabs = SlabLayout.from_meta(original.meta).means(original.shape[-1])
        # its slab means are the slices themselves, see `SlabMeans.upsample`
        region = str(original.meta["region"])
        thick = slabs.thick(region_window(region).to_hu(original.as_tensor()[:1]))
        tell_rings(thick, region)
        for key in self.key_iterator(d):
            values = d[key].as_tensor().clamp(thick.min(), thick.max())
            if self.projection:
                values = _agreeing(values, thick, slabs)
            d[key] = regridded(d[key], values, d[key].affine)
        return d


def _agreeing(thin: torch.Tensor, thick: torch.Tensor, slabs: SlabMeans) -> torch.Tensor:
    """`thin` with the slab means `thick`, and within their range where both can be."""
    lowest, highest = thick.min(), thick.max()
    thin = slabs.correct(thin, thick)
    for _ in range(_ROUNDS):
        beyond = ((thin < lowest) | (thin > highest)).any(dim=-1)  # only these lines need another round
        if not beyond.any():
            break
        lines, wanted = thin[beyond].clamp(lowest, highest), thick[beyond]
        far = (slabs.thick(lines) - wanted).abs().amax(dim=-1) > _CLOSE_HU
        lines[far] = slabs.correct(lines[far], wanted[far])
        thin[beyond] = lines
    return thin


def check_profile(profile: Sequence[float] | None) -> tuple[float, ...]:
    """A slice profile as a tuple, `(1,)` for None. Raises `InputError` where it holds no weights."""
    if profile is None:
        return (1.0,)
    weights = profile if isinstance(profile, list | tuple) else ()
    if not weights or not all(_is_number(w) and w >= 0 for w in weights) or not sum(weights) > 0:
        raise InputError(
            f"slice_profile is {profile!r}: use a list of weights of at least 0, such as [1, 2, 1]."
        )
    return tuple(float(weight) for weight in weights)


def layout_between(thick: MetaTensor, thin: MetaTensor, profile: Sequence[float] = (1.0,)) -> SlabLayout:
    """How the slices of `thick` lie on the grid of `thin`, both in RAS and on one grid in-plane."""
    to_thin = (torch.linalg.inv(thin.affine) @ thick.affine).tolist()
    factor, centre = to_thin[2][2], to_thin[2][3]
    start = centre + 0.5 - factor / 2
    return SlabLayout(thick.shape[-1], round(factor, 6), round(start, 6), profile)


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


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
