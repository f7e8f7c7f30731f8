"""Anomaly benchmark: maps of our bundle beside those of its peers, pixel and image AUROC, PRO and Dice."""

from __future__ import annotations

import time
from collections.abc import Sequence
from operator import itemgetter

import numpy as np
from benchmarks.anomaly_methods import Finish, Method
from benchmarks.scans import Scan
from benchmarks.table import Table, number

from meddiff_core.inferers.anomaly import organ_mean
from meddiff_core.metrics.anomaly import lesion_dice, map_metrics, slice_scores
from meddiff_core.metrics.auroc import auroc

_THRESHOLD_PERCENTILE = 99.0

TABLE = Table(
    lambda rows: (
        f"Anomaly detection, {len({row['case'] for row in rows})} case(s). Pixel AUROC and PRO within the "
        "organ; Dice at the 99th percentile of the method's scores in healthy reference volumes of other "
        "patients; image AUROC over the axial slices of the case. Peers at the setting, smoothing and "
        "erosion that are best for the pixel AUROC of the case, which no user could know; ours at its "
        "default."
    ),
    {
        "case": itemgetter("case"),
        "region": itemgetter("region"),
        "polarity": itemgetter("polarity"),
        "method": itemgetter("method"),
        "pixel AUROC": number("pixel_auroc", 3),
        "PRO (0.3)": number("pro", 3),
        "Dice": number("dice", 3),
        "image AUROC": number("image_auroc", 3),
        "setting": itemgetter("setting"),
    },
)


def measure(case: Scan, method: Method, references: Sequence[Scan]) -> dict:
    """Row of one method on one case, at the setting and finish that are best for the case's AUROC.

    Args:
        case: a scan with a lesion.
        method: from `make_method`.
        references: healthy scans, for the threshold.
    """
    start = time.perf_counter()
    maps = {
        (setting, finish): score_map(difference, case, finish, case.polarity)
        for setting in method.settings
        for difference in [method.difference(case, setting)]
        for finish in method.finishes
    }
    seconds = (time.perf_counter() - start) / len(method.settings)
    pixel_auroc = {key: auroc(score[case.organ], case.lesion[case.organ]) for key, score in maps.items()}
    setting, finish = best = max(pixel_auroc, key=pixel_auroc.get)
    healthy = [
        score_map(method.difference(other, setting), other, finish, case.polarity)[other.organ]
        for other in references
        if other.is_reference_of(case)
    ]
    threshold = float(np.percentile(np.concatenate(healthy), _THRESHOLD_PERCENTILE)) if healthy else None
    metrics = map_metrics(maps[best], case.lesion, case.organ)
    metrics["image_auroc"] = auroc(*slice_scores(maps[best], case.lesion, case.organ))
    if threshold is not None:
        metrics["dice"] = lesion_dice(maps[best] > threshold, case.lesion, case.organ)
    return {
        "case": case.name,
        "region": case.region,
        "polarity": case.polarity,
        "method": method.name,
        **{name: round(value, 4) for name, value in metrics.items() if not np.isnan(value)},
        "threshold": threshold,
        "setting": method.describe(setting, finish),
        "seconds": round(seconds, 2),
    }


def score_map(difference: np.ndarray, case: Scan, finish: Finish, polarity: str) -> np.ndarray:
    """Finish a method's difference and turn it so that higher is more anomalous; 0 where it is taken off."""
    inner = case.organ if finish.erosion == 0 else case.depth > finish.erosion
    if finish.smoothing:
        smooth = organ_mean(difference, inner, case.spacing, finish.smoothing)
    else:
        smooth = np.where(inner, difference, 0)
    return {"bright": smooth, "dark": -smooth, "both": np.abs(smooth)}[polarity]
