"""The agreement of thin slices with the thick ones that were measured."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from meddiff_core.errors import check_flag
from meddiff_core.physics.slab_bounds import agree_within_range
from meddiff_core.physics.slab_layout import SlabLayout
from meddiff_core.transforms.thin_slices import regridded


class AgreeWithSlicesd(MapTransform):
    """Makes the slab means of a result equal the slices that were measured, in HU (eq. 12, last projection).

    What a slab lacks is added to all of its voxels alike, so detail within it stays. No voxel leaves the
    range of its 3 x 3 x 3 thick neighbours, so nothing rings beside bone and metal. Rounding to whole HU
    afterwards leaves less than 1 HU. Where slabs overlap, their slices are met as far as they bind, see
    `SlabMeans`.

    Args:
        keys: results in HU, `(1, X, Y, Z)` on the thin grid.
        slices_key: the thick slices as `ThinSlicesd` found them, in HU.
        projection: False leaves the slab means of the results as they are, and their HU but for the range of
            the scan.

    Raises:
        InputError: projection is neither true nor false.
    """

    def __init__(self, keys: KeysCollection, slices_key: str = "slices", projection: bool = True) -> None:
        super().__init__(keys)
        self.slices_key = slices_key
        self.projection = check_flag("projection", projection)

    def __call__(self, data: Mapping[Hashable, MetaTensor]) -> dict[Hashable, MetaTensor]:
        d = dict(data)
        thick = d[self.slices_key].as_tensor().float()
        layout = SlabLayout.from_meta(d[self.slices_key].meta)
        for key in self.key_iterator(d):
            values = d[key].as_tensor()
            if self.projection:
                values = agree_within_range(values, thick, layout.means(values.shape[-1]))
            else:
                values = values.clamp(thick.min(), thick.max())
            d[key] = regridded(d[key], values, d[key].affine)
        return d
