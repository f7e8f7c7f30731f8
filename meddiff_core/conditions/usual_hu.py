"""The HU that tissues have in training scans: what a generated CT is to look like, and is checked against."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files

import numpy as np

from meddiff_core.conditions.regions import WIDEST_WINDOW
from meddiff_core.conditions.vocabulary import BODY, COARSE_OF, NUM_LABELS, label_id, label_name

USUAL_HU: dict[str, dict[str, dict[str, float]]] = json.loads(
    files(__package__).joinpath("usual_hu.json").read_text(encoding="utf-8")
)
"""Region to label to `mean`, `low` and `high` median of the training scans, in HU, and their number `scans`.

`meddiff_core.evaluation.measure_organ_hu` makes it from a data list. HU are clipped to the widest HU window.
"""

_SMALLEST_ML = 1.0
# Scans that were never seen lie a little beyond the range of those that were: in HU, and as a share of these.
_BEYOND_HU, _BEYOND_SHARE = 15.0, 0.1
# Of an organ whose mean was set, the median differs by the partial volume of its border, thin vessels most.
_OFF_TARGET_HU, _THICK_ML = 60.0, 10.0

FEWEST_SCANS = 3
"""Scans that a tissue of the table is measured on, at least."""


def tissue_masks(labels: np.ndarray) -> dict[str, np.ndarray]:
    """Masks by name of what has HU of its own: lung, bone, fat, and soft tissue by its organ.

    Args:
        labels: ids of the vocabulary `(X, Y, Z)`.
    """
    coarse = COARSE_OF[labels]
    found = {}
    for label in np.flatnonzero(np.bincount(labels.ravel(), minlength=NUM_LABELS)):
        kind = int(COARSE_OF[label])
        if label and kind == BODY:
            found[label_name(label)] = labels == label
        elif kind in _WHOLE and label_name(kind) not in found:
            found[label_name(kind)] = coarse == kind
    return found


def medians(hu: np.ndarray, labels: np.ndarray, voxel_ml: float) -> dict[str, float]:
    """Median HU of each tissue of at least 1 ml.

    Args:
        hu: CT `(X, Y, Z)`.
        labels: ids of the vocabulary, the same shape.
        voxel_ml: volume of a voxel.
    """
    masks = tissue_masks(labels)
    clipped = np.clip(hu, WIDEST_WINDOW.lower, WIDEST_WINDOW.upper)
    return {
        name: float(np.median(clipped[mask]))
        for name, mask in masks.items()
        if mask.sum() * voxel_ml >= _SMALLEST_ML
    }


def unusual_hu(
    hu: np.ndarray,
    labels: np.ndarray,
    voxel_ml: float,
    region: str,
    targets: Mapping[tuple[int, ...], float],
) -> list[str]:
    """Tissues of a generated CT whose median HU no training scan has, or not the one that was asked for.

    Args:
        hu: CT `(X, Y, Z)`.
        labels: ids of the vocabulary, the same shape.
        voxel_ml: volume of a voxel.
        region: whose table counts.
        targets: means by labels, from `TissueHU`.

    Returns:
        One phrase a tissue, as "bone 140 HU (usual: 180 to 400 HU)".
    """
    wanted = {label_name(label): value for ids, value in targets.items() for label in ids}
    found = []
    for name, median in medians(hu, labels, voxel_ml).items():
        usual = USUAL_HU.get(region, {}).get(name)
        if usual is not None:
            low, high = (
                usual[end] + sign * max(_BEYOND_HU, _BEYOND_SHARE * abs(usual[end]))
                for end, sign in (("low", -1), ("high", 1))
            )
        elif name in wanted and (labels == label_id(name)).sum() * voxel_ml >= _THICK_ML:
            target = float(np.clip(wanted[name], WIDEST_WINDOW.lower, WIDEST_WINDOW.upper))
            low, high = target - _OFF_TARGET_HU, target + _OFF_TARGET_HU
        else:
            continue
        if not low <= median <= high:
            found.append(f"{name} {median:.0f} HU (usual: {low:.0f} to {high:.0f} HU)")
    return found


def usual_means(region: str) -> dict[str, float]:
    """Mean HU of lung, bone, fat and other soft tissue in training scans of a region."""
    table = USUAL_HU.get(region, {})
    return {name: table[name]["mean"] for name in ("body", *map(label_name, _WHOLE)) if name in table}


_WHOLE = tuple(map(label_id, ("lung", "bone", "fat")))
