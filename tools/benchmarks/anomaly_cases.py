"""What the anomaly methods are compared on: volumes with a lesion, and healthy ones as their reference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from benchmarks.lesions import insert_lesions
from benchmarks.scans import Scan, item_region
from monai.data import MetaTensor
from monai.transforms import GaussianSmooth, Orientationd, Spacingd
from nibabel.affines import voxel_sizes

from meddiff_core.conditions.vocabulary import COARSE_OF, label_id
from meddiff_core.errors import check_choice
from meddiff_core.inferers.anomaly import POLARITIES
from meddiff_core.phantoms import Phantom, make_phantom
from meddiff_core.transforms.datalist import load_datalist
from meddiff_core.transforms.load import LoadCTd, LoadLabelsd, LoadMasksd
from meddiff_core.transforms.organ import OrganMaskd
from meddiff_core.transforms.scans import scan_stem

_VOLUMES = ("image", "anatomy", "organ", "lesion")
# Region, coarse class of the organ and polarity of the lesions that a phantom of the region has.
_PHANTOMS = {"chest": ("lung", "bright"), "abdomen": ("body", "dark")}


def read_cases(path: Path, section: str, spacing: float | None, seed: int) -> list[Scan]:
    """The items of one section of a data list, see `tools/benchmark.py anomaly`.

    Args:
        path: the data list.
        section: `validation` for the cases, `reference` for healthy volumes.
        spacing: mm to which everything is resampled; None keeps the scan's grid.
        seed: of inserted lesions.

    Raises:
        InputError: a file cannot be used, or an item has no region.
    """
    items = load_datalist(path, section)
    return [_read(item, spacing, seed + number) for number, item in enumerate(items)]


def phantom_cases(section: str) -> list[Scan]:
    """A phantom of chest and abdomen: with four lesions, or for `reference` two others without."""
    seeds, lesions = ((1, 2), 0) if section == "reference" else ((0,), 4)
    return [
        _from_phantom(make_phantom(region, seed=seed, lesions=lesions), f"phantom_{region}_{seed}")
        for region in _PHANTOMS
        for seed in seeds
    ]


def _from_phantom(phantom: Phantom, name: str) -> Scan:
    organ_name, polarity = _PHANTOMS[phantom.region]
    anatomy = COARSE_OF[phantom.anatomy]
    return Scan(
        name=name,
        patient=name,
        region=phantom.region,
        polarity=polarity,
        hu=phantom.hu.astype(np.float32),
        anatomy=anatomy,
        organ=anatomy == label_id(organ_name),
        lesion=phantom.lesion > 0,
        affine=phantom.affine,
    )


def _read(item: dict, spacing: float | None, seed: int) -> Scan:
    name = item.get("name", scan_stem(item["image"]))
    polarity = check_choice(f"polarity of {name}", item.get("polarity", "bright"), POLARITIES)
    region = item_region(item)
    present = [key for key in _VOLUMES if key in item]
    volumes = LoadCTd()({key: item[key] for key in present})
    volumes = LoadMasksd(("organ", "lesion"))(LoadLabelsd("anatomy")(volumes))
    volumes = Orientationd(present, axcodes="RAS", labels=None)(volumes)
    volumes = OrganMaskd(names=item.get("organ_name"))(volumes)
    if spacing is not None:
        volumes = _resampled(volumes, spacing)
    arrays = {key: volumes[key][0].numpy() for key in _VOLUMES if key in volumes}
    hu, organ = arrays["image"], arrays["organ"] > 0
    affine = volumes["image"].affine.numpy()
    lesion = arrays["lesion"] > 0 if "lesion" in arrays else np.zeros_like(organ)
    if "insert" in item:
        steps = voxel_sizes(affine)
        hu, lesion = insert_lesions(hu, organ, steps, seed=seed, **item["insert"])
    return Scan(
        name=name,
        patient=item.get("patient", scan_stem(item["image"])),
        region=region,
        polarity=polarity,
        hu=hu,
        anatomy=arrays["anatomy"].astype(np.uint8),
        organ=organ,
        lesion=lesion,
        affine=affine,
    )


def _resampled(volumes: dict[str, MetaTensor], spacing: float) -> dict[str, MetaTensor]:
    """Volumes on a grid of `spacing` mm: the image antialiased, labels by the nearest."""
    steps = [float(step) for step in volumes["image"].pixdim]
    sigma = [0.5 * max(0.0, (spacing / step) ** 2 - 1) ** 0.5 for step in steps]
    keys = [key for key in _VOLUMES if key in volumes]
    smooth = volumes | {"image": GaussianSmooth(sigma)(volumes["image"])}
    modes = ["bilinear" if key == "image" else "nearest" for key in keys]
    return Spacingd(keys, pixdim=[spacing] * 3, mode=modes, padding_mode="border")(smooth)
