"""Look for anatomy in what denoising removed."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from meddiff_core.physics.removed_part import REGION, RemovedStructure

logger = logging.getLogger("meddiff")

_TOO_MUCH = 0.3
"""Share of regions from which a line warns; blurs of scans have 0.5 to 1, the network's results 0 to 0.2."""


class RemovedPartd(MapTransform):
    """Notes in the metadata of a denoised volume how often anatomy went with the noise.

    `removed_structure` is the share of regions, see `RemovedStructure`; a line warns where it is large.

    Args:
        keys: denoised volumes in HU, `(1, X, Y, Z)`.
        original_key: the scan in HU on the same grid.
        regions_key: gets a mask of the regions in question, uint8 on that grid.
    """

    def __init__(
        self, keys: KeysCollection, original_key: str = "original", regions_key: str = "removed_structure"
    ) -> None:
        super().__init__(keys)
        self.original_key = original_key
        self.regions_key = regions_key

    def __call__(self, data: Mapping[Hashable, MetaTensor]) -> dict[Hashable, MetaTensor]:
        d = dict(data)
        for key in self.key_iterator(d):
            scan, denoised = (
                torch.as_tensor(d[name]).as_subclass(torch.Tensor)[0].cpu()
                for name in (self.original_key, key)
            )
            found = RemovedStructure.of(scan, denoised)
            d[key].meta["removed_structure"] = round(found.share, 3)
            if found.share > _TOO_MUCH:
                logger.warning(
                    "Anatomy may have gone with the noise: more went at edges than beside them in %.0f %% of "
                    "regions of %d voxels; compare with the scan, or use a lower noise_level or strength.",
                    100 * found.share,
                    REGION,
                )
            d[self.regions_key] = MetaTensor(found.mask(scan.shape)[None], meta=d[key].meta)
        return d
