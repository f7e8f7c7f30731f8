"""An anatomy map for scans that come without one."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from meddiff_core.conditions.coarse import coarse_labels

logger = logging.getLogger("meddiff")


class CoarseAnatomyd(MapTransform):
    """Makes the anatomy map from the HU where none is loaded, see `coarse_labels`.

    Runs after `Orientationd` to RAS, while the image is in HU.

    Args:
        keys: label maps, float32 MetaTensors `(1, X, Y, Z)`; one that is there stays.
        image_key: the scan in HU, a MetaTensor `(1, X, Y, Z)`.
    """

    def __init__(self, keys: KeysCollection = "anatomy", image_key: str = "image") -> None:
        super().__init__(keys, allow_missing_keys=True)
        self.image_key = image_key

    def __call__(self, data: Mapping[Hashable, MetaTensor]) -> dict[Hashable, MetaTensor]:
        d = dict(data)
        for key in self.keys:
            if key not in d:
                image = d[self.image_key]
                labels = coarse_labels(image.numpy()[0], image.pixdim.tolist())
                d[key] = image.clone().copy_(torch.from_numpy(labels)[None])
                logger.info("No anatomy map is given: lung, gas, fat and bone are told apart by their HU.")
        return d
