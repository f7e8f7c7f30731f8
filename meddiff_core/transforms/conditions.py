"""Put the condition maps behind the image as channels, as the inferers take them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform


class AppendConditionsd(MapTransform):
    """Appends condition maps to an image as channels `(1 + K, X, Y, Z)`; absent maps are left out at the end.

    Where one is absent before another that is there, zeros take its place: each map has its own channel.

    Args:
        keys: one image, `(1, X, Y, Z)`; its metadata and geometry stay.
        conditions: keys of the maps on the same grid, in order: anatomy first.
    """

    def __init__(self, keys: KeysCollection, conditions: KeysCollection = "anatomy") -> None:
        super().__init__(keys)
        self.conditions = (conditions,) if isinstance(conditions, str) else tuple(conditions)

    def __call__(self, data: Mapping[Hashable, torch.Tensor]) -> dict[Hashable, torch.Tensor]:
        result = dict(data)
        present = [i for i, key in enumerate(self.conditions) if key in result]
        for key in self.key_iterator(result) if present else ():
            image = result[key]
            maps = [result.get(name, torch.zeros_like(image)) for name in self.conditions[: present[-1] + 1]]
            result[key] = torch.cat([image, *(torch.as_tensor(m).to(image.dtype) for m in maps)])
        return result
