"""What the lesion methods are compared on: scans whose real lesion is hidden from them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from benchmarks.scans import Scan, item_region
from monai.transforms import Orientationd

from meddiff_core.conditions.healthy_labels import healthy_labels
from meddiff_core.errors import InputError
from meddiff_core.phantoms import make_phantom
from meddiff_core.transforms.coarse_anatomy import CoarseAnatomyd
from meddiff_core.transforms.datalist import load_datalist
from meddiff_core.transforms.load import LoadCTd, LoadLabelsd, LoadMasksd
from meddiff_core.transforms.scans import scan_stem

# As `HealthyAnatomyd`: partial volume, and what was not drawn.
_MARGIN_MM = 2.0


def read_lesion_cases(path: Path, section: str) -> list[Scan]:
    """The items of one section of a data list that have a lesion.

    Args:
        path: the data list, as `meddiff_core.preparation` writes it.
        section: `validation` for the cases, `training` for the donors.

    Raises:
        InputError: a file cannot be used, an item has no region, or none has a lesion.
    """
    return [_read(item) for item in load_datalist(path, section, needs="lesion")]


def phantom_lesion_cases(section: str) -> list[Scan]:
    """A chest and an abdomen with four lesions, and for `training` two others of each."""
    seeds = (1, 2) if section == "training" else (0,)
    phantoms = {
        f"phantom_{region}_{seed}": make_phantom(region, seed=seed, lesions=4)
        for region in ("chest", "abdomen")
        for seed in seeds
    }
    return [
        _without_trace(
            Scan(
                name,
                np.float32(phantom.hu),
                phantom.affine,
                phantom.region,
                patient=name,
                anatomy=phantom.anatomy,
                lesion=phantom.lesion > 0,
            )
        )
        for name, phantom in phantoms.items()
    ]


def _read(item: dict) -> Scan:
    name = scan_stem(item["image"])
    region = item_region(item)
    keys = ("image", "anatomy", "lesion")
    volumes = LoadCTd()({key: item[key] for key in keys if key in item})
    volumes = LoadMasksd("lesion")(LoadLabelsd("anatomy")(volumes))
    volumes = Orientationd(list(volumes), axcodes="RAS", labels=None)(volumes)
    volumes = CoarseAnatomyd()(volumes)
    hu, anatomy, lesion = (volumes[key][0].numpy() for key in keys)
    if not lesion.any():
        raise InputError(f"The lesion mask {item['lesion']} is empty: leave it out of the data list.")
    patient, affine = item.get("patient", name), volumes["image"].affine.numpy()
    anatomy, lesion = anatomy.astype(np.uint8), lesion > 0
    return _without_trace(Scan(name, hu, affine, region, patient, anatomy, lesion=lesion))


def _without_trace(scan: Scan) -> Scan:
    """The scan with an anatomy map that does not show its lesion."""
    anatomy = healthy_labels(scan.anatomy, scan.lesion, _MARGIN_MM, np.array(scan.spacing))
    return replace(scan, anatomy=anatomy)
