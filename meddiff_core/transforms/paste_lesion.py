"""Keep what is outside of the lesions exactly as it was."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform


class PasteLesiond(MapTransform):
    """The original in HU with the prediction within the lesions; outside of them, bit for bit the original.

    HU that went to the network's scale and back differ in their last digits; the loaded ones do not.

    Args:
        keys: predictions in HU, `(1, X, Y, Z)`, on the original's grid; their metadata stay.
        original_key: the scan in HU as it was loaded.
        lesion_key: mask, nonzero within.
    """

    def __init__(
        self, keys: KeysCollection = "pred", original_key: str = "original", lesion_key: str = "lesion"
    ) -> None:
        super().__init__(keys)
        self.original_key = original_key
        self.lesion_key = lesion_key

    def __call__(self, data: Mapping[Hashable, torch.Tensor]) -> dict[Hashable, torch.Tensor]:
        d = dict(data)
        original, lesion = (
            torch.as_tensor(d[key]).as_subclass(torch.Tensor) for key in (self.original_key, self.lesion_key)
        )
        for key in self.key_iterator(d):
            inside = torch.as_tensor(d[key]).as_subclass(torch.Tensor).float()
            pasted = torch.where(lesion.to(inside.device) > 0, inside, original.to(inside).float())
            d[key] = MetaTensor(pasted, meta=dict(d[key].meta), applied_operations=d[key].applied_operations)
        return d
