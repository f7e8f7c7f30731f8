"""Pairs of thick and thin slices, to measure super-resolution on."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence

from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from meddiff_core.errors import InputError
from meddiff_core.physics.slab_layout import SlabLayout
from meddiff_core.transforms.slab_of_scan import check_profile, is_number
from meddiff_core.transforms.thin_slices import (
    MAX_FACTOR,
    check_in_plane,
    layout_between,
    regridded,
    with_slices,
)

_EPSILON = 1e-3
_LEAST_FACTOR = 1.5


class SimulateThickSlicesd(MapTransform):
    """Makes a pair of a thin scan: `label` is the thin volume, the scan itself becomes thick.

    Where the item has a real thick scan of the same grid in-plane, that is taken instead. Both are cropped to
    the slices that lie wholly within the other. `simulated` in the thick volume's meta tells which it is.

    Args:
        keys: thin scan, a MetaTensor `(1, X, Y, Z)` in RAS, in HU.
        factor: thin slices from one simulated thick one to the next.
        slice_width: thin slices that a thick one is the mean of; None is `factor`, side by side. The thick
            volume's meta tells it as SliceThickness, as a DICOM header does.
        slice_profile: see `ThinSlicesd`.
        thick_key: the real thick scan in RAS, optional; it is not there afterwards.
        label_key: where the thin volume goes.

    Raises:
        InputError: a factor out of range, too few slices, or a thick scan on another grid.
    """

    def __init__(
        self,
        keys: KeysCollection = "image",
        factor: float = 5,
        slice_width: float | None = None,
        slice_profile: Sequence[float] | str | None = None,
        thick_key: str = "thick",
        label_key: str = "label",
    ) -> None:
        super().__init__(keys)
        if not is_number(factor) or not _LEAST_FACTOR <= factor <= MAX_FACTOR:
            raise InputError(f"factor is {factor!r}: use a number from {_LEAST_FACTOR} to {MAX_FACTOR}.")
        if slice_width is not None and (not is_number(slice_width) or slice_width < 1):
            raise InputError(f"slice_width is {slice_width!r}: use a number of thin slices of at least 1.")
        self.factor = factor
        self.slice_width = slice_width or factor
        self.slice_profile = check_profile(slice_profile)
        self.thick_key = thick_key
        self.label_key = label_key

    def __call__(self, data: Mapping[Hashable, MetaTensor]) -> dict[Hashable, MetaTensor]:
        d = dict(data)
        real = d.pop(self.thick_key, None)
        for key in self.key_iterator(d):
            pair = self._simulated(d[key]) if real is None else _common_part(d[key], real)
            d[self.label_key], d[key] = pair
        return d

    def _simulated(self, thin: MetaTensor) -> tuple[MetaTensor, MetaTensor]:
        n_thick = math.floor(thin.shape[-1] / self.factor + _EPSILON)
        if n_thick < 2:
            raise InputError(
                f"{thin.meta['filename_or_obj']} has {thin.shape[-1]} slices: that makes less than two of "
                f"{self.factor:g}; use a smaller factor or more slices."
            )
        thin = _slices(thin, 0, math.ceil(n_thick * self.factor - _EPSILON))
        profile = self.slice_profile
        width = self.slice_width * profile.extent
        slabs = SlabLayout(n_thick, self.factor, profile=profile.weights, width=width).means(thin.shape[-1])
        affine = with_slices(thin.affine, self.factor)
        values = slabs.thick(thin.as_tensor().float())
        header = {"simulated": True, "SliceThickness": self.slice_width * float(thin.pixdim[2])}
        return thin, regridded(thin, values, affine, header)


def _common_part(thin: MetaTensor, thick: MetaTensor) -> tuple[MetaTensor, MetaTensor]:
    """The thick slices that lie within the thin volume, and the thin slices that they touch."""
    check_in_plane(thin, thick)
    layout = layout_between(thick, thin)
    first = max(0, math.ceil(-layout.start / layout.factor - _EPSILON))
    stop = min(layout.n_thick, math.floor((thin.shape[-1] - layout.start) / layout.factor + _EPSILON))
    if stop - first < 2:
        raise InputError(
            f"{thick.meta['filename_or_obj']} has less than two slices within "
            f"{thin.meta['filename_or_obj']}: give a thick scan of the same part."
        )
    lower, upper = (layout.start + edge * layout.factor for edge in (first, stop))
    lower, upper = max(0, math.floor(lower + _EPSILON)), min(thin.shape[-1], math.ceil(upper - _EPSILON))
    thick = _slices(thick, first, stop)
    return _slices(thin, lower, upper), regridded(
        thick, thick.as_tensor(), thick.affine, {"simulated": False}
    )


def _slices(volume: MetaTensor, first: int, stop: int) -> MetaTensor:
    return regridded(volume, volume.as_tensor()[..., first:stop], with_slices(volume.affine, 1, first))
