"""Clean scans to measure on: the user's files, a data list, or phantoms."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from monai.transforms import Compose, Orientationd

from meddiff_core.conditions.regions import HUWindow, check_region, region_window
from meddiff_core.errors import InputError
from meddiff_core.phantoms.phantom import make_phantom
from meddiff_core.transforms.datalist import load_datalist
from meddiff_core.transforms.load import LoadCTd
from meddiff_core.transforms.scans import list_scans, scan_stem


class Scan(NamedTuple):
    """A clean scan.

    Args:
        name: file name without suffix.
        hu: `(X, Y, Z)` in HU, axes to the patient's right, front and head.
        affine: `(4, 4)`, mm.
        region: region whose window counts.
    """

    name: str
    hu: np.ndarray
    affine: np.ndarray
    region: str


@dataclass(frozen=True, eq=False)  # each is itself alone, so it can key a cache
class PatientScan:
    """A scan of a known patient with what is known of it.

    Args:
        name: of the scan.
        patient: never its own reference.
        region: region whose window counts, and whose references.
        hu: `(X, Y, Z)` in HU, axes to the patient's right, front and head.
        anatomy: label ids, uint8, without a trace of the lesion.
        lesion: bool.
        affine: `(4, 4)`, mm.
    """

    name: str
    patient: str
    region: str
    hu: np.ndarray
    anatomy: np.ndarray
    lesion: np.ndarray
    affine: np.ndarray

    @property
    def window(self) -> HUWindow:
        """HU window of the region."""
        return region_window(self.region)

    @property
    def spacing(self) -> list[float]:
        """Voxel size in mm."""
        return np.linalg.norm(self.affine[:3, :3], axis=0).tolist()

    def is_reference_of(self, case: PatientScan) -> bool:
        """Whether `case` may be measured by this scan: same region, another patient."""
        return self.region == case.region and self.patient != case.patient


def read_scans(images: list[str] | None, regions: list[str]) -> list[Scan]:
    """Load the scans to measure on.

    Args:
        images: CTs or folders of them, or one data list (`.json`), of which the validation section counts;
            None for a phantom of each region.
        regions: region of each scan, or one for all; an item of a data list that names its own keeps it.

    Raises:
        InputError: a scan cannot be read, or scans and regions do not match.
    """
    for region in regions:
        check_region(region)
    if images is None:
        return [_phantom(region) for region in regions]
    if len(images) == 1 and images[0].endswith(".json"):
        items = load_datalist(images[0], "validation")
    else:
        items = list_scans(images)
    if len(regions) not in (1, len(items)):
        raise InputError(f"{len(items)} images but {len(regions)} regions: give one, or one per image.")
    load = Compose([LoadCTd("image"), Orientationd("image", axcodes="RAS", labels=None)])
    scans = []
    for item, region in zip(items, regions * (len(items) // len(regions)), strict=True):
        image = load({"image": item["image"]})["image"]
        region = check_region(item.get("region", region))
        name = scan_stem(Path(item["image"]))
        scans.append(Scan(name, image[0].numpy(), image.affine.numpy(), region))
    return scans


def _phantom(region: str) -> Scan:
    phantom = make_phantom(region)
    return Scan(f"phantom_{region}", np.asarray(phantom.hu, np.float32), phantom.affine, region)
