"""What the lesion methods are compared on: scans whose real lesion is hidden from them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from benchmarks.scans import PatientScan
from monai.transforms import Orientationd
from scipy import ndimage

from meddiff_core.conditions.healthy_labels import healthy_labels
from meddiff_core.conditions.regions import check_region
from meddiff_core.errors import InputError
from meddiff_core.phantoms import make_phantom
from meddiff_core.transforms.coarse_anatomy import CoarseAnatomyd
from meddiff_core.transforms.datalist import load_datalist
from meddiff_core.transforms.load import LoadCTd, LoadLabelsd, LoadMasksd
from meddiff_core.transforms.scans import scan_stem

# As `HealthyAnatomyd`: partial volume, and what was not drawn.
_MARGIN_MM = 2.0


@dataclass(frozen=True, eq=False)  # each is itself alone, so it can key a cache
class LesionCase(PatientScan):
    """One scan with a lesion: one to be made again, or one to learn from."""

    @property
    def millilitres(self) -> float:
        """Volume of the lesion."""
        return float(self.lesion.sum() * np.prod(self.spacing) / 1000)

    @cached_property
    def without(self) -> np.ndarray:
        """The scan as methods get it: within the lesion, HU of the nearest voxel outside."""
        nearest = ndimage.distance_transform_edt(
            self.lesion, self.spacing, return_distances=False, return_indices=True
        )
        return self.hu[tuple(nearest)]


def read_lesion_cases(path: Path, section: str) -> list[LesionCase]:
    """The items of one section of a data list that have a lesion.

    Args:
        path: the data list, as `tools/prepare_data.py` writes it.
        section: `validation` for the cases, `training` for the donors.

    Raises:
        InputError: a file cannot be used, an item has no region, or none has a lesion.
    """
    return [_read(item) for item in load_datalist(path, section, needs="lesion")]


def phantom_lesion_cases(section: str) -> list[LesionCase]:
    """A chest and an abdomen with four lesions, and for `training` two others of each."""
    seeds = (1, 2) if section == "training" else (0,)
    phantoms = {
        f"phantom_{region}_{seed}": make_phantom(region, seed=seed, lesions=4)
        for region in ("chest", "abdomen")
        for seed in seeds
    }
    return [
        _case(
            name,
            name,
            phantom.region,
            np.float32(phantom.hu),
            phantom.anatomy,
            phantom.lesion,
            phantom.affine,
        )
        for name, phantom in phantoms.items()
    ]


def _read(item: dict) -> LesionCase:
    name = scan_stem(item["image"])
    if "region" not in item:
        raise InputError(f"The item {name} of the data list has no region: add chest, abdomen or head_neck.")
    keys = ("image", "anatomy", "lesion")
    volumes = LoadCTd()({key: item[key] for key in keys if key in item})
    volumes = LoadMasksd("lesion")(LoadLabelsd("anatomy")(volumes))
    volumes = Orientationd(list(volumes), axcodes="RAS", labels=None)(volumes)
    volumes = CoarseAnatomyd()(volumes)
    arrays = [volumes[key][0].numpy() for key in keys]
    if not arrays[2].any():
        raise InputError(f"The lesion mask {item['lesion']} is empty: leave it out of the data list.")
    affine = volumes["image"].affine.numpy()
    return _case(name, item.get("patient", name), check_region(item["region"]), *arrays, affine)


def _case(
    name: str,
    patient: str,
    region: str,
    hu: np.ndarray,
    anatomy: np.ndarray,
    lesion: np.ndarray,
    affine: np.ndarray,
) -> LesionCase:
    lesion = lesion > 0
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    anatomy = healthy_labels(anatomy.astype(np.uint8), lesion, _MARGIN_MM, spacing)
    return LesionCase(name, patient, region, hu, anatomy, lesion, affine)
