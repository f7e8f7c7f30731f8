"""From an anomaly map to a mask."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from meddiff_core.errors import InputError


class AnomalyMaskd(MapTransform):
    """Adds the mask of what lies above a threshold.

    Args:
        keys: anomaly map in HU, a MetaTensor `(1, X, Y, Z)` whose meta names the `region`.
        threshold: HU above which a voxel is anomalous, at least 0, which the map has outside the organ; or
            one for each region.
        mask_key: where the mask goes, 0 or 1, same grid.

    Raises:
        InputError: the threshold is no such number, or there is none for the region.
    """

    def __init__(
        self, keys: KeysCollection, threshold: float | Mapping[str, float], mask_key: str = "mask"
    ) -> None:
        super().__init__(keys)
        self.threshold = threshold
        self.mask_key = mask_key

    def __call__(self, data: Mapping[Hashable, MetaTensor]) -> dict[Hashable, MetaTensor]:
        d = dict(data)
        for key in self.key_iterator(d):
            d[self.mask_key] = (d[key] > self._limit(str(d[key].meta["region"]))).to(torch.float32)
        return d

    def _limit(self, region: str) -> float:
        limit = self.threshold.get(region) if isinstance(self.threshold, Mapping) else self.threshold
        if isinstance(limit, bool) or not isinstance(limit, int | float) or not limit >= 0:
            raise InputError(f"threshold is {limit!r} for region {region}: use HU of at least 0.")
        return float(limit)
