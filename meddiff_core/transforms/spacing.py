"""Resampling that does not stumble over other keys of the item."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import torch
from monai.transforms import Spacingd


class SafeSpacingd(Spacingd):
    """`Spacingd` for items that hold a string under a key such as `image_path`, as those of MONAI Label do.

    MONAI takes every key that begins with `<key>_` for a metadata dictionary and fails when it is none. Here
    those that are none stay out of its sight; arguments, result and inverse are those of `Spacingd`.
    """

    def __call__(
        self, data: Mapping[Hashable, torch.Tensor], lazy: bool | None = None
    ) -> dict[Hashable, torch.Tensor]:
        prefixes = tuple(f"{key}_" for key in self.keys)
        aside = {
            key: value
            for key, value in data.items()
            if isinstance(key, str) and key.startswith(prefixes) and not isinstance(value, dict)
        }
        result = super().__call__({key: value for key, value in data.items() if key not in aside}, lazy)
        return result | aside
