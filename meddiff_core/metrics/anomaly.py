"""What tells how well an anomaly map finds the lesions of a volume."""

from __future__ import annotations

import numpy as np

from meddiff_core.metrics.auroc import auroc
from meddiff_core.metrics.average_precision import average_precision
from meddiff_core.metrics.lesions import dice
from meddiff_core.metrics.pro import pro_score


def map_metrics(score_map: np.ndarray, lesion: np.ndarray, organ: np.ndarray) -> dict[str, float]:
    """Average precision, pixel AUROC and PRO (to a false positive rate of 0.3); nan where there is no lesion.

    Args:
        score_map: `(X, Y, Z)`, higher = more anomalous.
        lesion: truth, bool `(X, Y, Z)`.
        organ: where the map counts, bool `(X, Y, Z)`. What a lesion has outside it is not in the AUROC and
            counts as missed in the two others.
    """
    return {
        "average_precision": average_precision(
            score_map[organ], lesion[organ], missed=int((lesion & ~organ).sum())
        ),
        "pixel_auroc": auroc(score_map[organ], lesion[organ]),
        "pro": pro_score(score_map, lesion, organ),
    }


def lesion_dice(mask: np.ndarray, lesion: np.ndarray, organ: np.ndarray) -> float:
    """Dice of the mask within the organ against the whole lesion, bool `(X, Y, Z)`; nan without a lesion."""
    return dice(mask & organ, lesion) if lesion.any() else float("nan")


def slice_scores(
    score_map: np.ndarray, lesion: np.ndarray, organ: np.ndarray, share: float = 0.01
) -> tuple[np.ndarray, np.ndarray]:
    """One score per axial slice, and whether the slice holds a lesion; for the image AUROC, as in BMAD.

    The score is the mean of the slice's highest `share` of organ voxels: the maximum alone would be noise,
    the mean of all would miss a small lesion.

    Args:
        score_map: `(X, Y, Z)`, higher = more anomalous.
        lesion: truth, bool `(X, Y, Z)`.
        organ: where the map counts, bool `(X, Y, Z)`; slices without it are left out.
        share: 0.01; in a lung of 200 cm2 the size of a nodule of 16 mm.

    Returns:
        Scores `(N,)` and truth `(N,)` of the slices that show the organ.
    """
    slices = np.flatnonzero(organ.any(axis=(0, 1)))
    scores = [_mean_of_highest(score_map[..., k][organ[..., k]], share) for k in slices]
    return np.array(scores, dtype=float), (lesion & organ)[..., slices].any(axis=(0, 1))


def _mean_of_highest(values: np.ndarray, share: float) -> float:
    count = max(1, round(share * values.size))
    return float(np.partition(values, -count)[-count:].mean())
