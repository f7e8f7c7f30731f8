"""Which images of the studies a bundle is trained on, and the form it reads them in."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from monai.transforms import Compose, Orientationd
from monailabel.interfaces.datastore import Datastore

from meddiff_core.conditions.detect import detect_region
from meddiff_core.errors import InputError, user_sentence
from meddiff_core.transforms.coarse_anatomy import CoarseAnatomyd
from meddiff_core.transforms.load import LoadCTd, LoadMasksd
from meddiff_core.transforms.save import save_volume

logger = logging.getLogger(__name__)

SOURCE = "made_from"
"""In the record of an image: what a result was made from. Results are never trained on."""


def list_training_images(studies: Datastore, labelled: bool) -> list[dict[str, str]]:
    """Images of the studies that are no results.

    Args:
        studies: the data store.
        labelled: those with a final label only, which becomes their "lesion".
    """
    own = {
        studies.get_image_uri(name)
        for name in studies.list_images()
        if SOURCE not in studies.get_image_info(name)
    }
    if not labelled:
        return [{"image": path} for path in sorted(own)]
    items = [{"image": item["image"], "lesion": item["label"]} for item in studies.datalist()]
    return [item for item in items if item["image"] in own]


def prepare(items: Sequence[dict[str, str]], folder: Path) -> list[dict[str, str]]:
    """Items as `train.json` reads them: volumes in RAS, an anatomy map, the region.

    An image that is no CT, such as a map that lies in the studies, is left out with a warning.

    Args:
        items: paths of "image" and, where there is one, "lesion".
        folder: for the prepared files.

    Raises:
        InputError: nothing is left.
    """
    load = Compose(
        [
            LoadCTd("image"),
            LoadMasksd("lesion"),
            Orientationd(["image", "lesion"], axcodes="RAS", labels=None, allow_missing_keys=True),
            CoarseAnatomyd("anatomy"),
        ]
    )
    prepared = []
    for number, item in enumerate(items):
        try:
            data = load(item)
        except RuntimeError as error:
            sentence = user_sentence(error)
            if sentence is None:
                raise
            logger.warning("Left out: %s", sentence)
            continue
        image, anatomy = data["image"], np.asarray(data["anatomy"])[0]
        region = detect_region(np.asarray(image)[0], np.asarray(image.affine), anatomy, image.meta).region
        entry = {"region": region}
        for key in ("image", "anatomy", "lesion"):
            if key in data:
                path = folder / f"{number:04d}_{key}.nii.gz"
                save_volume(data[key], path, "int16", "prepared for training")
                entry[key] = str(path)
        prepared.append(entry)
    if not prepared:
        raise InputError(
            "The studies hold no image to train on: add a CT, for lesions one with a submitted label."
        )
    return prepared
