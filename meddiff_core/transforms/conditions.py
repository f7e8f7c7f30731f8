"""Put the condition maps behind the image as channels, as the inferers take them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform


class AppendConditionsd(MapTransform):
    """Appends condition maps to an image as channels `(1 + K, X, Y, Z)`; maps that are absent are left out.

    Args:
        keys: one image, `(1, X, Y, Z)`; its metadata and geometry stay.
        conditions: keys of the maps on the same grid, in order: anatomy first.
    """

    def __init__(self, keys: KeysCollection, conditions: KeysCollection = "anatomy") -> None:
        super().__init__(keys)
        self.conditions = (conditions,) if isinstance(conditions, str) else tuple(conditions)

    def __call__(self, data: Mapping[Hashable, torch.Tensor]) -> dict[Hashable, torch.Tensor]:
        result = dict(data)
        maps = [torch.as_tensor(result[key]) for key in self.conditions if key in result]
        for key in self.key_iterator(result):
            if maps:
                result[key] = torch.cat([result[key], *(m.to(result[key].dtype) for m in maps)])
        return result
