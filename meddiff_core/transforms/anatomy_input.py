"""Anatomy maps as the input of synthesis: one of the user's, or that of a phantom."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from meddiff_core.conditions.detect import detect_region_of_labels
from meddiff_core.conditions.organ_volumes import warn_of_volumes
from meddiff_core.conditions.region_extent import log_region
from meddiff_core.conditions.regions import check_region, given_region
from meddiff_core.conditions.vocabulary import BODY
from meddiff_core.conditions.whole_body import complete_body, lacks_tissue
from meddiff_core.errors import InputError
from meddiff_core.phantoms import make_phantom
from meddiff_core.transforms.read_labels import read_labels
from meddiff_core.transforms.read_volume import check_size
from meddiff_core.transforms.samples import numbered
from meddiff_core.transforms.scans import PathLike, list_scans

logger = logging.getLogger("meddiff")

# Life-size at this spacing, see `make_phantom`.
_PHANTOM_SPACING = (2.0, 2.0, 3.0)
_PHANTOM_SHAPES = {"head_neck": (128, 128, 96), "chest": (160, 160, 96), "abdomen": (160, 160, 96)}


def anatomy_items(
    anatomy: PathLike | Sequence[PathLike] | None = None, region: str = "auto", samples: int = 1
) -> list[dict[str, object]]:
    """Items for `LoadAnatomyd`: every map as often as volumes are to be made from it.

    Args:
        anatomy: a label map, or a folder with a mask per organ; a folder or a list of those; None takes the
            map of a phantom.
        region: of that phantom; `auto` and `unknown` give an abdomen.
        samples: volumes per map.

    Returns:
        items `{"image": path, "sample": 0, 1, ..., "number": name of the sample}`, the number empty where
        there is one sample only; an item of a phantom has its region under "phantom".

    Raises:
        InputError: something is missing, the region is unknown, or there are no samples.
    """
    if anatomy is None:
        shown = "abdomen" if region in ("auto", "unknown") else check_region(region)
        maps = [{"image": f"phantom_{shown}", "phantom": shown}]
    else:
        maps = list_scans(anatomy, maps=True)
    return numbered(maps, samples)


class LoadAnatomyd(MapTransform):
    """Load an anatomy map from NIfTI, NRRD or MHA, or make a phantom's.

    A map of organs and bones without fat, such as TotalSegmentator's `total`, gets the rest of the body, see
    `complete_body`.

    The result is a float32 MetaTensor `(1, X, Y, Z)` of vocabulary ids with the metadata of `LoadCTd`, the
    `region`, and the item's `sample` and `number`, see `anatomy_items`.

    Args:
        keys: keys that hold paths, default "image".
        region: name of a region; `auto` takes the item's own, or derives it from the labels and says so.
        region_key: where an item of a data list holds its region.

    Raises:
        InputError: missing, damaged, not 3-D, too thin, empty, or values that are no label ids.
    """

    def __init__(
        self, keys: KeysCollection = "image", region: str = "auto", region_key: str = "region"
    ) -> None:
        super().__init__(keys)
        self.region = region if region == "auto" else check_region(region)
        self.region_key = region_key

    def __call__(self, data: Mapping[Hashable, object]) -> dict[Hashable, object]:
        d = dict(data)
        for key in self.key_iterator(d):
            labels = _phantom_labels(d) if "phantom" in d else _read_labels(Path(d[key]).expanduser())
            region = given_region(self.region, d.get(self.region_key))
            labels.meta["region"] = region or _detect(labels)
            labels.meta |= {"sample": int(d.get("sample", 0)), "number": str(d.get("number", ""))}
            d[key] = labels
        return d


def _phantom_labels(item: Mapping[Hashable, object]) -> MetaTensor:
    region = str(item["phantom"])
    phantom = make_phantom(region, _PHANTOM_SHAPES[region], _PHANTOM_SPACING)
    logger.info("No anatomy map is given: that of the %s phantom is used.", region)
    meta = {"filename_or_obj": str(item["image"]), "spatial_shape": np.array(phantom.anatomy.shape)}
    anatomy = phantom.anatomy
    if lacks_tissue(anatomy):
        anatomy = complete_body(anatomy, _PHANTOM_SPACING)
    return MetaTensor(torch.from_numpy(anatomy)[None].float(), affine=phantom.affine, meta=meta)


def _read_labels(path: Path) -> MetaTensor:
    labels = read_labels(path, f"The anatomy map {path}")
    check_size(labels.shape[1:], f"The anatomy map {path}")
    warn_of_volumes(labels.numpy()[0], labels.affine.numpy(), f"The anatomy map {path}")
    highest = int(labels.max())
    if highest == 0:
        raise InputError(f"The anatomy map {path} is empty: give one with labels other than 0.")
    ids = labels.numpy()[0].astype(np.uint8)
    if lacks_tissue(ids):
        outlined = "in its body outline" if highest == BODY else "around them"
        labels[0] = torch.from_numpy(complete_body(ids, labels.pixdim.tolist())).float()
        logger.info("%s names organs alone: skin, fat and muscle are put %s.", path, outlined)
    elif highest < BODY:
        logger.warning(
            "%s has neither bones nor a body outline (label %d), around which skin, fat and muscle could be "
            "put: tissue without a name becomes air; give a whole map of TotalSegmentator.",
            path,
            BODY,
        )
    return labels


def _detect(labels: MetaTensor) -> str:
    found = detect_region_of_labels(labels.numpy()[0], labels.affine.numpy())
    log_region(logger, found)
    return found.region
