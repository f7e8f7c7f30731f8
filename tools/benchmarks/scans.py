"""The scans to measure on: the user's files, a data list, or phantoms, with what is known of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, Orientationd
from nibabel.affines import voxel_sizes
from scipy import ndimage

from meddiff_core.conditions.regions import HUWindow, check_region, region_window
from meddiff_core.errors import InputError
from meddiff_core.phantoms import make_phantom
from meddiff_core.transforms.datalist import load_datalist
from meddiff_core.transforms.load import LoadCTd, LoadLabelsd
from meddiff_core.transforms.scans import list_scans, scan_stem


@dataclass(frozen=True, eq=False)  # each is itself alone, so it can key a cache
class Scan:
    """A scan, as it was measured.

    Args:
        name: file name without suffix.
        hu: `(X, Y, Z)` in HU, axes to the patient's right, front and head.
        affine: `(4, 4)`, mm.
        region: region whose HU window counts, and whose references.
        patient: never its own reference.
        anatomy: label ids, uint8, without a trace of the lesion.
        organ: bool; only what lies in it counts.
        lesion: bool; all False in a healthy scan.
        polarity: of its lesions: `bright`, `dark` or `both`.
    """

    name: str
    hu: np.ndarray
    affine: np.ndarray
    region: str
    patient: str = ""
    anatomy: np.ndarray | None = None
    organ: np.ndarray | None = None
    lesion: np.ndarray | None = None
    polarity: str = "bright"

    @property
    def hu_window(self) -> HUWindow:
        """HU window of the region."""
        return region_window(self.region)

    @property
    def spacing(self) -> list[float]:
        """Voxel size in mm."""
        return voxel_sizes(self.affine).tolist()

    @property
    def tensor(self) -> MetaTensor:
        """The HU as `(1, X, Y, Z)`."""
        return volume_tensor(self.hu, self.affine, self.name)

    @property
    def millilitres(self) -> float:
        """Volume of the lesion."""
        return float(self.lesion.sum() * np.prod(self.spacing) / 1000)

    @cached_property
    def depth(self) -> np.ndarray:
        """Distance of the organ's voxels to its surface in mm."""
        return ndimage.distance_transform_edt(self.organ, sampling=self.spacing)

    @cached_property
    def without_lesion(self) -> np.ndarray:
        """HU with those of the nearest voxel outside within the lesion."""
        nearest = ndimage.distance_transform_edt(
            self.lesion, self.spacing, return_distances=False, return_indices=True
        )
        return self.hu[tuple(nearest)]

    def is_reference_of(self, case: Scan) -> bool:
        """Whether `case` may be measured by this scan: same region, another patient."""
        return self.region == case.region and self.patient != case.patient

    def cut(self, start: Sequence[int], size: Sequence[int]) -> Scan:
        """A block of the HU and the anatomy, at its place in the patient."""
        affine = self.affine.copy()
        affine[:3, 3] += affine[:3, :3] @ start
        block = tuple(slice(first, first + n) for first, n in zip(start, size, strict=True))
        anatomy = None if self.anatomy is None else self.anatomy[block]
        return replace(self, hu=self.hu[block], anatomy=anatomy, affine=affine)

    def inputs(self, hu: np.ndarray, mask: np.ndarray) -> MetaTensor:
        """`(1, 3, X, Y, Z)` for an inferer: HU in [-1, 1], the scan's anatomy, and a mask."""
        channels = [self.hu_window.to_unit(hu), self.anatomy, mask]
        stacked = torch.stack([torch.as_tensor(np.asarray(channel, np.float32)) for channel in channels])
        return MetaTensor(stacked[None], affine=torch.as_tensor(self.affine))


def volume_tensor(hu: np.ndarray, affine: np.ndarray, name: str) -> MetaTensor:
    """HU `(X, Y, Z)` as the transforms take them, `(1, X, Y, Z)`."""
    return MetaTensor(torch.as_tensor(hu)[None].float(), affine=affine, meta={"filename_or_obj": name})


def central_block(hu: np.ndarray, block: Sequence[int] | None) -> tuple[tuple, tuple]:
    """Start and size of the block around the body's centre of mass (everything above -300 HU).

    Args:
        hu: `(X, Y, Z)`.
        block: voxels per axis, cut to the scan where that is smaller; None for the whole scan.
    """
    size = tuple(min(wanted, present) for wanted, present in zip(block or hu.shape, hu.shape, strict=True))
    centre = ndimage.center_of_mass(hu > -300) if (hu > -300).any() else np.divide(hu.shape, 2)
    start = (
        int(np.clip(round(c - n / 2), 0, total - n))
        for c, n, total in zip(centre, size, hu.shape, strict=True)
    )
    return tuple(start), size


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
    return [
        _read(item, check_region(item.get("region", region)))
        for item, region in zip(items, regions * (len(items) // len(regions)), strict=True)
    ]


def _read(item: Mapping, region: str) -> Scan:
    """A scan, with its anatomy where the item names one."""
    maps = [key for key in ("image", "anatomy") if item.get(key)]
    load = [LoadCTd("image"), LoadLabelsd("anatomy"), Orientationd(maps, axcodes="RAS", labels=None)]
    volumes = Compose(load)({key: item[key] for key in maps})
    image, name = volumes["image"], scan_stem(Path(item["image"]))
    anatomy = volumes["anatomy"][0].numpy().astype(np.uint8) if "anatomy" in volumes else None
    return Scan(name, image[0].numpy(), image.affine.numpy(), region, anatomy=anatomy)


def item_region(item: Mapping) -> str:
    """Region of an item of a data list that has to name it."""
    if "region" not in item:
        name = item.get("name", scan_stem(item["image"]))
        raise InputError(f"The item {name} of the data list has no region: add chest, abdomen or head_neck.")
    return check_region(item["region"])


def _phantom(region: str) -> Scan:
    phantom = make_phantom(region)
    hu, anatomy = np.asarray(phantom.hu, np.float32), np.asarray(phantom.anatomy, np.uint8)
    return Scan(f"phantom_{region}", hu, phantom.affine, region, anatomy=anatomy)
