"""The strength of denoising in percent, as scanners name it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from meddiff_core.errors import InputError, check_number

Strength = float | Sequence[float]


class Strengthd(MapTransform):
    """Mixes denoised volumes with the scan: `scan + strength / 100 (denoised - scan)`.

    Of several strengths each makes a volume of its own, see `names_of_strengths` for its key. Its metadata
    have the strength, and as the number that goes into the names of its files.

    Args:
        keys: denoised volumes in HU, `(1, X, Y, Z)`.
        original_key: the scan in HU on the same grid.
        strength: percent, 0 to 100, or a list of those. 100 is the whole step, which has the least error; 0
            is the scan itself.

    Raises:
        InputError: the strength is no number from 0 to 100, nor a list of different ones.
    """

    def __init__(
        self, keys: KeysCollection, original_key: str = "original", strength: Strength = 100
    ) -> None:
        super().__init__(keys)
        self.original_key = original_key
        self.strength = strength
        self.values = _checked(strength)

    def __call__(self, data: Mapping[Hashable, MetaTensor]) -> dict[Hashable, MetaTensor]:
        d = dict(data)
        for key in self.key_iterator(d):
            denoised = d[key]
            scan = torch.as_tensor(d[self.original_key]).to(denoised).as_tensor()
            names = names_of_strengths(key, self.strength)
            for name, value in zip(names, self.values, strict=True):
                meta = denoised.meta if len(names) == 1 else denoised.meta | _told(value)
                mixed = torch.lerp(scan, denoised.as_tensor(), value / 100)
                d[name] = MetaTensor(mixed, meta=meta, applied_operations=denoised.applied_operations)
        return d


def names_of_strengths(name: str, strength: Strength) -> list[str]:
    """The name itself for one strength, `<name>_<strength>` for each of several.

    Raises:
        InputError: see `Strengthd`.
    """
    values = _checked(strength)
    return [f"{name}_{value:g}" for value in values] if isinstance(strength, list | tuple) else [name]


def _checked(strength: Strength) -> Sequence[float]:
    """The strengths, as a list."""
    values = strength if isinstance(strength, list | tuple) else [strength]
    for value in values:
        wanted = "a percentage from 0 to 100, or several such as [50,100]"
        check_number("strength", value, wanted, lambda v: 0 <= v <= 100)
    if not values or len({f"{value:g}" for value in values}) < len(values):
        raise InputError(f"strength is {list(values)!r}: name one percentage at least, and none twice.")
    return values


def _told(strength: float) -> dict[str, float | str]:
    return {"strength": strength, "number": f"{strength:g}"}
