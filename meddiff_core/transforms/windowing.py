"""HU to the network's [-1, 1] and back, without losing what lies outside the window."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, Randomizable

from meddiff_core.conditions.detect import detect_region
from meddiff_core.conditions.region_extent import log_region
from meddiff_core.conditions.regions import given_region, region_window
from meddiff_core.conditions.window_edge import keep_beyond_full
from meddiff_core.errors import InputError

logger = logging.getLogger("meddiff")


class RegionWindowd(MapTransform, Randomizable):
    """HU to [-1, 1] by the window of the item's region, for training.

    Args:
        keys: images in HU.
        region_key: where the item holds its region's name; overwritten with the one that was used.
        clip: clip to [-1, 1]; a training target has nothing beyond.
        alternatives: other classes whose HU window an item of a region may be shown in, and how often, such
            as `{"chest": {"abdomen": 0.3}}`: the mediastinum is read in a soft-tissue window.
    """

    def __init__(
        self,
        keys: KeysCollection,
        region_key: str = "region",
        clip: bool = True,
        alternatives: Mapping[str, Mapping[str, float]] | None = None,
    ) -> None:
        super().__init__(keys)
        self.region_key = region_key
        self.clip = clip
        self.alternatives = dict(alternatives or {})

    def __call__(self, data: Mapping[Hashable, object]) -> dict[Hashable, object]:
        result = dict(data)
        region = str(result[self.region_key])
        if region in self.alternatives:
            chances = self.alternatives[region]
            p = [*chances.values(), 1 - sum(chances.values())]
            region = str(self.R.choice([*chances, region], p=p))
        hu_window = region_window(region)
        for key in self.key_iterator(result):
            unit = hu_window.to_unit(result[key].to(torch.float32))
            result[key] = unit.clamp(-1, 1) if self.clip else unit
        result[self.region_key] = region
        return result


class ScaleHUd(MapTransform):
    """HU to [-1, 1] for inference: nothing is clipped, the metadata remembers the region.

    Args:
        keys: images in HU, MetaTensors.
        region: name of a region; `auto` takes the item's own, or derives it from the header, the anatomy or
            the HU of the first key and says so.
        region_key: where an item of a data list holds its region.
        anatomy_key: optional label map that helps `auto`.
    """

    def __init__(
        self,
        keys: KeysCollection,
        region: str = "auto",
        region_key: str = "region",
        anatomy_key: str = "anatomy",
    ) -> None:
        super().__init__(keys)
        self.region = region
        self.region_key = region_key
        self.anatomy_key = anatomy_key
        if region != "auto":
            region_window(region)

    def __call__(self, data: Mapping[Hashable, object]) -> dict[Hashable, object]:
        result = dict(data)
        region = given_region(self.region, result.get(self.region_key))
        for key in self.key_iterator(result):
            image: MetaTensor = result[key]
            region = region or find_region(image, self._anatomy(result))
            unit = region_window(region).to_unit(image.to(torch.float32))
            unit.meta["region"] = region
            result[key] = unit
        return result

    def _anatomy(self, data: Mapping[Hashable, object]) -> MetaTensor | None:
        """The map, where it is loaded and not only named."""
        anatomy = data.get(self.anatomy_key)
        return anatomy if isinstance(anatomy, torch.Tensor) else None


def find_region(image: MetaTensor, anatomy: MetaTensor | None = None) -> str:
    """The region that a scan shows, see `detect_region`; says what was found and why, also in its metadata.

    Args:
        image: `(1, X, Y, Z)` in HU.
        anatomy: label map on its grid, optional.

    Raises:
        InputError: there is no body to be seen.
    """
    labels = None if anatomy is None else np.asarray(anatomy)[0]
    found = detect_region(np.asarray(image)[0], np.asarray(image.affine), labels, image.meta)
    if found.region == "unknown":
        scan = image.meta.get("filename_or_obj", "The scan")
        raise InputError(f"{scan} shows no body: check the file, or name its region by region.")
    log_region(logger, found)
    image.meta["region_reason"] = found.reason
    return found.region


class RestoreHUd(MapTransform):
    """A prediction to HU; where its original lies beyond the HU of the class `full`, that is kept.

    Args:
        keys: predictions `(1, X, Y, Z)` in the scale of the region's HU window, and beyond [-1, 1] where they
            lie outside of it; the region is read from the original's metadata.
        original_key: the input as the network saw it: scaled by `ScaleHUd`, not clipped; its first channel.
    """

    def __init__(self, keys: KeysCollection, original_key: str = "image") -> None:
        super().__init__(keys)
        self.original_key = original_key

    def __call__(self, data: Mapping[Hashable, object]) -> dict[Hashable, object]:
        result = dict(data)
        original: MetaTensor = result[self.original_key]
        hu_window = region_window(str(original.meta["region"]))
        for key in self.key_iterator(result):
            prediction = result[key]
            noise_level = float(getattr(prediction, "meta", {}).get("noise_level", 0.0))
            hu = keep_beyond_full(
                hu_window.to_hu(_plain(prediction)), hu_window.to_hu(_plain(original)[:1]), noise_level
            )
            if noise_level:  # for the record of the result; `Invertd` goes on with the original's metadata
                original.meta["noise_level"] = noise_level
            result[key] = MetaTensor(
                hu, meta=dict(original.meta), applied_operations=original.applied_operations
            )
        return result


def _plain(image: torch.Tensor) -> torch.Tensor:
    """Without metadata, which every operation would carry along."""
    return torch.as_tensor(image).as_subclass(torch.Tensor).float()
