"""Where lesions are to be made: a mask of the user's or a sampled one, and an anatomy map without them."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from scipy import ndimage

from meddiff_core.conditions.body import body_mask
from meddiff_core.conditions.coarse import coarse_labels
from meddiff_core.conditions.healthy_labels import healthy_labels
from meddiff_core.conditions.lesion_place import keep_out
from meddiff_core.conditions.lesion_shape import NoRoom, sample_lesion_mask
from meddiff_core.conditions.regions import check_region, given_region
from meddiff_core.errors import InputError
from meddiff_core.transforms.anatomy_input import anatomy_items
from meddiff_core.transforms.organ import SOFT_TISSUE, organ_names, select_organ
from meddiff_core.transforms.scans import PathLike, list_scans
from meddiff_core.transforms.windowing import find_region

logger = logging.getLogger("meddiff")

_DEFAULT_ORGANS = {"chest": ("lung",)}


def lesion_items(
    anatomy: PathLike | Sequence[PathLike] | None = None,
    lesion: PathLike | None = None,
    region: str = "auto",
    samples: int = 1,
) -> list[dict[str, object]]:
    """Items of `anatomy_items` for maps that lesions are to be generated in.

    Args:
        anatomy: as of `anatomy_items`.
        lesion: mask of the lesions, for one map a file; or a folder with a mask of the same name for each
            map; None: they are sampled.
        region: of the phantom.
        samples: volumes per map.

    Returns:
        items as of `anatomy_items`, with "lesion" where given.

    Raises:
        InputError: something is missing, or a mask is given without its map.
    """
    items = anatomy_items(anatomy, region, samples)
    if lesion is None:
        return items
    if anatomy is None:
        raise InputError(f"There is no anatomy map for the lesion mask {lesion}: give it by anatomy.")
    masks = {item["image"]: item["lesion"] for item in list_scans(anatomy, lesion=lesion, maps=True)}
    return [item | {"lesion": masks[item["image"]]} for item in items]


class LesionMaskd(MapTransform):
    """The lesions' mask: one that is loaded is checked, else lesions are sampled, see `sample_lesion_mask`.

    Runs after loading and `Orientationd` to RAS, while the image is in HU.

    Args:
        keys: the mask; afterwards a float32 MetaTensor `(1, X, Y, Z)` of 0 and 1.
        image_key: the scan in HU, a MetaTensor `(1, X, Y, Z)`; None where there is only an anatomy map.
        anatomy_key: label map on its grid; without one, coarse classes of the image show the organ.
        organ: where lesions are sampled: labels of the vocabulary as for `OrganMaskd`. None (default) is the
            lung in the chest, and soft tissue elsewhere.
        shape: `count`, `diameter`, `irregularity` and `at_surface` of sampled lesions, as far as they are not
            the defaults of `sample_lesion_mask`.
        seed: of the sampling; the meta may add to it by `sample`, for several results of one scan.
        region: decides on the default organ; `auto` takes the meta's or the item's own, or detects it.

    Raises:
        InputError: a given mask is empty or outside of the body, the organ is not there or has no room, or
            an option is outside its range.
    """

    def __init__(
        self,
        keys: KeysCollection = "lesion",
        image_key: str | None = "image",
        anatomy_key: str = "anatomy",
        organ: str | Sequence[str] | None = None,
        shape: Mapping[str, Any] | None = None,
        seed: int = 0,
        region: str = "auto",
    ) -> None:
        super().__init__(keys, allow_missing_keys=True)
        self.organ = organ_names(organ)
        self.image_key = image_key
        self.anatomy_key = anatomy_key
        self.shape = dict(shape or {})
        self.seed = seed
        self.region = region if region == "auto" else check_region(region)

    def __call__(self, data: Mapping[Hashable, MetaTensor]) -> dict[Hashable, MetaTensor]:
        d = dict(data)
        reference = d[self.image_key or self.anatomy_key]
        for key in self.keys:
            if key in d:
                origin = "given"
                self._check(d, d[key])
            else:
                names = self.organ or _DEFAULT_ORGANS.get(self._region(d, reference), SOFT_TISSUE)
                origin = f"sampled in {', '.join(names)}"
                d[key] = _like(reference, self._sample(d, reference, names))
            mask = d[key].numpy()[0] > 0
            volume = mask.sum() * np.prod(reference.pixdim.tolist()) / 1000
            logger.info("Lesion mask: %d lesion(s), %.1f ml, %s.", ndimage.label(mask)[1], volume, origin)
        return d

    def _check(self, data: Mapping[Hashable, MetaTensor], lesion: MetaTensor) -> None:
        path, mask = lesion.meta["filename_or_obj"], lesion.numpy()[0] > 0
        if not mask.any():
            raise InputError(f"The lesion mask {path} is empty: give one with lesions, or none.")
        if self.image_key is None:
            body = data[self.anatomy_key].numpy()[0] > 0
        else:
            image = data[self.image_key]
            body = body_mask(image.numpy()[0], image.pixdim.tolist())
        outside = 1 - body[mask].mean()
        if outside == 1:
            raise InputError(f"The lesion mask {path} lies outside of the body: draw it within.")
        if outside > 0:
            logger.warning("%.3g %% of the lesion mask %s lies outside of the body.", 100 * outside, path)

    def _region(self, data: dict[Hashable, object], reference: MetaTensor) -> str:
        """The region; one that is detected is noted in the item, for `ScaleHUd` not to seek it again."""
        region = given_region(self.region, reference.meta.get("region"), data.get("region"))
        if not region and self.image_key is not None:
            region = data["region"] = find_region(reference, data.get(self.anatomy_key))
        return str(region)

    def _sample(
        self, data: Mapping[Hashable, MetaTensor], reference: MetaTensor, names: Sequence[str]
    ) -> np.ndarray:
        spacing, scan = reference.pixdim.tolist(), reference.meta["filename_or_obj"]
        if self.anatomy_key in data:
            anatomy = data[self.anatomy_key].numpy()[0].astype(np.uint8)
        else:
            anatomy = coarse_labels(reference.numpy()[0], spacing)
        organ = select_organ(anatomy, names, spacing)
        if not organ.any():
            raise InputError(
                f"{scan} shows no {', '.join(names)}: name another organ, give an anatomy map that has it by "
                "anatomy, or a mask by lesion."
            )
        seed = int(self.seed) + int(reference.meta.get("sample", 0))
        hu = None if self.image_key is None else reference.numpy()[0]
        clear = keep_out(anatomy, organ, spacing, hu)
        try:
            return sample_lesion_mask(organ, spacing, seed=seed, keep_out=clear, **self.shape)
        except NoRoom:
            logger.info("There is no room clear of vessels, airways and bone: a lesion may touch them.")
            return sample_lesion_mask(organ, spacing, seed=seed, **self.shape)


class HealthyAnatomyd(MapTransform):
    """Labels within the lesions become those of the nearest voxel outside of them.

    A map that is made from a scan shows its lesions; the network would read there what it is to make up from
    the mask. For training and inference; without a mask the map stays as it is.

    Args:
        keys: label maps `(1, X, Y, Z)`, tensors or MetaTensors; left out where absent.
        lesion_key: mask on the same grid, nonzero within.
        margin_mm: how far around the mask labels are replaced, too; default 2: partial volume and what was
            not drawn.
        spacing: voxel size of plain tensors in mm; None (default) is 1. MetaTensors know theirs.
    """

    def __init__(
        self,
        keys: KeysCollection = "anatomy",
        lesion_key: str = "lesion",
        margin_mm: float = 2.0,
        spacing: Sequence[float] | None = None,
    ) -> None:
        super().__init__(keys, allow_missing_keys=True)
        self.lesion_key = lesion_key
        self.margin_mm = margin_mm
        self.spacing = spacing

    def __call__(self, data: Mapping[Hashable, torch.Tensor]) -> dict[Hashable, torch.Tensor]:
        d = dict(data)
        if self.lesion_key not in d:
            return d
        lesion = np.asarray(d[self.lesion_key])[0] > 0
        for key in self.key_iterator(d):
            spacing = d[key].pixdim.tolist() if isinstance(d[key], MetaTensor) else self.spacing
            labels = healthy_labels(np.asarray(d[key])[0], lesion, self.margin_mm, spacing or (1.0, 1.0, 1.0))
            d[key] = _like(d[key], labels)
        return d


def _like(reference: torch.Tensor, array: np.ndarray) -> torch.Tensor:
    """`array` `(X, Y, Z)` with type, geometry and history of the reference."""
    return reference.clone().copy_(torch.from_numpy(array)[None])
