"""Mean HU per tissue and per organ of a generated CT beside the real one."""

from __future__ import annotations

import numpy as np

from meddiff_core.conditions.regions import WIDEST_WINDOW, HUWindow
from meddiff_core.conditions.vocabulary import COARSE_OF, NUM_LABELS, label_name

MIN_VOXELS = 100
"""With 50 HU of noise, the mean of as many voxels is good to 5 HU."""

HUMeans = dict[str, dict[str, float]]
"""By name of the label: mean `generated` and `real` in HU, `difference` (generated - real), `voxels`."""


def hu_by_class(
    generated: np.ndarray,
    real: np.ndarray,
    anatomy: np.ndarray,
    hu_window: HUWindow = WIDEST_WINDOW,
    min_voxels: int = MIN_VOXELS,
) -> HUMeans:
    """Mean HU per coarse class: body (soft tissue without a class of its own), lung, airway_gas, fat, bone.

    Args:
        generated: CT `(X, Y, Z)` in HU.
        real: CT `(X, Y, Z)` in HU.
        anatomy: the map that `generated` was made from, vocabulary ids `(X, Y, Z)`.
        hu_window: HU are clipped to it, so that what the network cannot express does not count.
        min_voxels: smaller classes are left out.
    """
    return hu_by_organ(generated, real, COARSE_OF[anatomy], hu_window, min_voxels)


def hu_by_organ(
    generated: np.ndarray,
    real: np.ndarray,
    anatomy: np.ndarray,
    hu_window: HUWindow = WIDEST_WINDOW,
    min_voxels: int = MIN_VOXELS,
) -> HUMeans:
    """Mean HU per label of the map as it is; background is left out. Arguments as in `hu_by_class`."""
    labels = np.asarray(anatomy).ravel()
    voxels = np.bincount(labels, minlength=NUM_LABELS)
    sums = [np.bincount(labels, _clipped(hu, hu_window), NUM_LABELS) for hu in (generated, real)]
    result = {}
    for label in np.flatnonzero(voxels >= max(1, min_voxels)):
        if label == 0:
            continue
        ours, reference = (float(total[label] / voxels[label]) for total in sums)
        result[label_name(label)] = {
            "generated": ours,
            "real": reference,
            "difference": ours - reference,
            "voxels": int(voxels[label]),
        }
    return result


def _clipped(hu: np.ndarray, hu_window: HUWindow) -> np.ndarray:
    return np.clip(hu, hu_window.lower, hu_window.upper).ravel()
