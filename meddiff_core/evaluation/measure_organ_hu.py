"""The usual HU of tissues and lesions, measured on the scans of a data list."""

from __future__ import annotations

import logging
from collections import defaultdict
from pathlib import Path

import numpy as np
from scipy import ndimage

from meddiff_core.conditions.healthy_labels import healthy_labels
from meddiff_core.conditions.lesion_hu import lesion_kind
from meddiff_core.conditions.regions import WIDEST_WINDOW
from meddiff_core.conditions.usual_hu import FEWEST_SCANS, medians, tissue_masks
from meddiff_core.files import write_json
from meddiff_core.transforms.datalist import load_datalist
from meddiff_core.transforms.load import LoadCTd, LoadLabelsd, LoadMasksd

logger = logging.getLogger("meddiff")

_AROUND_MM = 2.0
_NORMAL_QUARTILES = 1.349


def measure_organ_hu(data_list: str, output_dir: str = ".", section: str = "training") -> None:
    """Write `usual_hu.json` and `lesion_hu.json`, which the package holds in `meddiff_core/conditions`.

    The first has the mean (without voxels at the skin) and the range of the median HU of each tissue and
    region, the second mean and standard deviation within each lesion, without the partial volume of its
    border.

    Args:
        data_list: of prepared data; scans with `image`, `anatomy`, `region` and some `lesion`.
        output_dir: folder of the two files.
        section: of the data list.

    Raises:
        InputError: the data list or a scan cannot be read.
    """
    found: dict[str, dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    lesions: dict[str, list[dict[str, float]]] = {"lung": [], "body": []}
    for item in load_datalist(data_list, section):
        loaded = LoadMasksd("lesion")(LoadLabelsd("anatomy")(LoadCTd("image")(item)))
        hu = np.clip(loaded["image"].numpy()[0], WIDEST_WINDOW.lower, WIDEST_WINDOW.upper)
        labels, spacing = loaded["anatomy"].numpy()[0].astype(np.uint8), loaded["image"].pixdim.tolist()
        masks, inner = tissue_masks(labels), ndimage.binary_erosion(labels > 0, border_value=1)
        for name, median in medians(hu, labels, float(np.prod(spacing)) / 1000).items():
            if name == "body" and "fat" not in masks:
                continue  # a map of named organs, whose rest of the body is fat, too
            found[item["region"]][name].append((float(hu[masks[name] & inner].mean()), median))
        if item.get("lesion"):
            lesion = loaded["lesion"].numpy()[0] > 0
            healthy = healthy_labels(labels, lesion, _AROUND_MM, spacing)[lesion]
            lesions[lesion_kind(healthy)].append(_within(hu, lesion))
        logger.info("%s: %d tissues", Path(item["image"]).name, len(masks))
    table = {
        region: {
            name: _summary(values) for name, values in sorted(tissues.items()) if len(values) >= FEWEST_SCANS
        }
        for region, tissues in sorted(found.items())
    }
    write_json(Path(output_dir) / "usual_hu.json", table)
    write_json(Path(output_dir) / "lesion_hu.json", lesions)


def _within(hu: np.ndarray, lesion: np.ndarray) -> dict[str, float]:
    """Mean and deviation of a lesion, robust: the median, and the quartiles of a normal distribution."""
    core = ndimage.binary_erosion(lesion)
    low, middle, high = np.percentile(hu[core if core.any() else lesion], (25, 50, 75))
    return {"mean": round(float(middle)), "deviation": round(float(high - low) / _NORMAL_QUARTILES)}


def _summary(values: list[tuple[float, float]]) -> dict[str, float]:
    means, middles = np.array(values).T
    return {
        "scans": len(values),
        "mean": round(float(np.median(means))),
        "low": round(float(middles.min())),
        "high": round(float(middles.max())),
    }
