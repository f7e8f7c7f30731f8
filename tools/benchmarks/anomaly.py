"""Anomaly benchmark: maps of our bundle beside those of its peers, each at one setting for all cases."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter

import numpy as np
from benchmarks.anomaly_methods import Finish, Method
from benchmarks.scans import Scan
from benchmarks.table import Table, number, timed

from meddiff_core.inferers.anomaly import organ_mean
from meddiff_core.metrics.anomaly import lesion_dice, map_metrics, slice_scores
from meddiff_core.metrics.auroc import auroc
from meddiff_core.metrics.froc import FALSE_FINDINGS, scan_findings, sensitivity

_THRESHOLD_PERCENTILE = 99.0

TABLE = Table(
    lambda rows: (
        f"Anomaly detection, {len({row['case'] for row in rows})} case(s). Average precision, pixel AUROC "
        "and PRO within the organ; sensitivity: the share of the case's lesions that is found at so many "
        "false findings; Dice at the 99th percentile of the method's scores in healthy reference volumes of "
        "other patients; image AUROC over the axial slices of the case. Every method at one setting for all "
        "cases."
    ),
    {
        "case": itemgetter("case"),
        "region": itemgetter("region"),
        "polarity": itemgetter("polarity"),
        "method": itemgetter("method"),
        "average precision": number("average_precision", 3),
        **{f"sensitivity at {n}": number(f"sensitivity_at_{n}", 2) for n in FALSE_FINDINGS},
        "pixel AUROC": number("pixel_auroc", 3),
        "PRO (0.3)": number("pro", 3),
        "Dice": number("dice", 3),
        "image AUROC": number("image_auroc", 3),
        "setting": itemgetter("setting"),
    },
)


def measure(case: Scan, method: Method, references: Sequence[Scan]) -> dict:
    """Row of one method on one case.

    Args:
        case: a scan with a lesion.
        method: from `make_method`.
        references: healthy scans, for the threshold.
    """
    score, timing = timed(lambda: _scores(case, method, case.polarity))
    healthy = [
        _scores(other, method, case.polarity)[other.organ]
        for other in references
        if other.is_reference_of(case)
    ]
    threshold = float(np.percentile(np.concatenate(healthy), _THRESHOLD_PERCENTILE)) if healthy else None
    metrics = map_metrics(score, case.lesion, case.organ)
    metrics["image_auroc"] = auroc(*slice_scores(score, case.lesion, case.organ))
    findings = [scan_findings(score, case.lesion, case.organ, case.spacing)]
    metrics |= {f"sensitivity_at_{n}": sensitivity(findings, n) for n in FALSE_FINDINGS}
    if threshold is not None:
        metrics["dice"] = lesion_dice(score > threshold, case.lesion, case.organ)
    return {
        "case": case.name,
        "region": case.region,
        "polarity": case.polarity,
        "method": method.name,
        **{name: round(value, 4) for name, value in metrics.items() if not np.isnan(value)},
        "threshold": threshold,
        "setting": method.setting,
        **timing,
    }


def _scores(case: Scan, method: Method, polarity: str) -> np.ndarray:
    return score_map(method.difference(case), case, method.finish, polarity)


def score_map(difference: np.ndarray, case: Scan, finish: Finish, polarity: str) -> np.ndarray:
    """Finish a method's difference and turn it so that higher is more anomalous; 0 where it is taken off."""
    inner = case.organ if finish.erosion == 0 else case.depth > finish.erosion
    if finish.smoothing:
        smooth = organ_mean(difference, inner, case.spacing, finish.smoothing)
    else:
        smooth = np.where(inner, difference, 0)
    return {"bright": smooth, "dark": -smooth, "both": np.abs(smooth)}[polarity]
