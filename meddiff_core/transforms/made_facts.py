"""What an inferer says of its result, kept for the record."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform

MADE_FACTS = (
    *("unusual_hu", "lesion_hu", "lesion_deviation"),
    *("adapt_minutes", "adapt_iterations", "adapt_check_before", "adapt_check_after"),
)
"""What inferers note in the metadata of what they have made."""


class KeepMadeFactsd(MapTransform):
    """Copies `MADE_FACTS` of a prediction to the metadata of its input, with which `Invertd` goes on.

    Args:
        keys: predictions, MetaTensors.
        original_key: the input, a MetaTensor; its metadata change.
    """

    def __init__(self, keys: KeysCollection, original_key: str = "image") -> None:
        super().__init__(keys)
        self.original_key = original_key

    def __call__(self, data: Mapping[Hashable, torch.Tensor]) -> dict[Hashable, torch.Tensor]:
        d = dict(data)
        for key in self.key_iterator(d):
            meta = getattr(d[key], "meta", {})
            d[self.original_key].meta.update({name: meta[name] for name in MADE_FACTS if name in meta})
        return d
