"""Area under the per-region-overlap curve, where a small lesion counts as much as a large one."""

from __future__ import annotations

import numpy as np
from skimage.measure import label

from meddiff_core.metrics.auroc import rates_above


def pro_score(
    score_map: np.ndarray, truth: np.ndarray, organ: np.ndarray | None = None, max_fpr: float = 0.3
) -> float:
    """PRO score (Bergmann et al., "The MVTec Anomaly Detection Dataset", IJCV 2021).

    The mean over the connected lesions of the share that is found, against the false positive rate among the
    healthy voxels of the organ, integrated up to `max_fpr` and divided by it. Exact: every score is a
    threshold.

    Args:
        score_map: `(X, Y, Z)`, higher = more anomalous.
        truth: lesions, bool `(X, Y, Z)`; voxels that touch by a face, an edge or a corner are one lesion.
        organ: where the map counts, bool `(X, Y, Z)`; voxels of a lesion outside it are never found. Default:
            everywhere.
        max_fpr: end of the integral, in (0, 1]; 0.3 as in the paper.

    Returns:
        0 to 1; nan where there is no lesion or nothing healthy.
    """
    truth = np.asarray(truth, dtype=bool)
    organ = np.ones_like(truth) if organ is None else np.asarray(organ, dtype=bool)
    healthy = np.asarray(score_map)[organ & ~truth]
    if not truth.any() or not healthy.size:
        return float("nan")
    lesions = label(truth)
    sizes = np.bincount(lesions.ravel())
    found = truth & organ
    order = np.argsort(score_map[found])
    weights = 1 / (sizes[lesions[found]][order] * (sizes.size - 1))
    above, tied = rates_above(score_map[found][order], healthy)
    return float(weights @ _found_area(above, tied, max_fpr)) / max_fpr


def _found_area(above: np.ndarray, tied: np.ndarray, end: float) -> np.ndarray:
    """What one lesion voxel adds to the area up to `end`.

    The voxel is found from the false positive rate `above` on, by a ramp up to `above + tied`, because the
    curve is straight between two thresholds.
    """
    on_ramp = np.clip(end - above, 0, tied)
    ramp = np.divide(on_ramp**2, 2 * tied, out=np.zeros_like(tied), where=tied > 0)
    return ramp + np.clip(end - above - tied, 0, None)
