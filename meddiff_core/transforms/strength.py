"""The strength of denoising in percent, as scanners name it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from meddiff_core.errors import check_number


class Strengthd(MapTransform):
    """Mixes denoised volumes with the scan: `scan + strength / 100 (denoised - scan)`.

    Args:
        keys: denoised volumes in HU, `(1, X, Y, Z)`.
        original_key: the scan in HU on the same grid.
        strength: percent, 0 to 100. 100 is the whole step, which has the least error; 0 is the scan itself.

    Raises:
        InputError: the strength is no number from 0 to 100.
    """

    def __init__(self, keys: KeysCollection, original_key: str = "original", strength: float = 100) -> None:
        super().__init__(keys)
        check_number("strength", strength, "a percentage from 0 to 100", lambda v: 0 <= v <= 100)
        self.original_key = original_key
        self.share = strength / 100

    def __call__(self, data: Mapping[Hashable, MetaTensor]) -> dict[Hashable, MetaTensor]:
        result = dict(data)
        for key in self.key_iterator(result):
            scan = torch.as_tensor(result[self.original_key]).to(result[key])
            mixed = torch.lerp(scan.as_tensor(), result[key].as_tensor(), self.share)
            result[key] = MetaTensor(
                mixed, meta=result[key].meta, applied_operations=result[key].applied_operations
            )
        return result
