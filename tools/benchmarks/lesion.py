"""Lesion benchmark: lesions made in the masks of real ones and compared with those, ours beside its peers."""

from __future__ import annotations

import time
from operator import itemgetter

import numpy as np
from benchmarks.lesion_methods import Method
from benchmarks.scans import Scan
from benchmarks.table import Row, Table, number

from meddiff_core.evaluation.report import means
from meddiff_core.metrics.lesion_segmenter import LesionSegmenter
from meddiff_core.metrics.lesions import dice, lesion_metrics, outside_difference

_SCORES = ("hu_error", "histogram_distance", "seam")


def _dice(row: Row) -> str:
    return f"{number('dice', 3)(row)} ({number('dice_real', 3)(row)})"


TABLE = Table(
    lambda rows: (
        f"Lesions, {len({row['case'] for row in rows})} case(s). A lesion is made in the mask of the real "
        "one, from its surroundings alone, and compared with it: difference of the mean HU, Wasserstein-1 "
        "distance of the HU, step across the border over that of the real lesion (1 is alike), Dice of a "
        "segmenter (in parentheses that in the real scan), largest change outside the mask. Means over all "
        "donors (copy) or seeds. Peers at the setting that is best for the histogram distance of the case, "
        "which no user could know; ours at its default."
    ),
    {
        "case": itemgetter("case"),
        "region": itemgetter("region"),
        "ml": number("ml", 1),
        "method": itemgetter("method"),
        "draws": lambda row: str(row["draws"]),
        "HU error": number("hu_error", 1),
        "histogram distance": number("histogram_distance", 1),
        "seam": number("seam", 2),
        "Dice (real)": _dice,
        "change outside, HU": number("outside_difference", 1),
        "seconds": number("seconds", 1),
        "setting": itemgetter("setting"),
    },
)


def measure(case: Scan, method: Method, segment: LesionSegmenter | None) -> dict:
    """Row of one method on one case: means over its draws, at the setting of least histogram distance.

    Args:
        case: a scan with the real lesion that is to be made again.
        method: from `make_method`.
        segment: finds lesions, for Dice; None leaves it out.
    """
    draws = list(method.draws(case))
    start, best, result = time.perf_counter(), "", {"histogram_distance": np.inf}
    for name, setting in method.settings.items():
        made = [method.make(case, setting, draw) for draw in draws]
        scores = means([_scores(lesion_metrics(hu, case.hu, case.lesion)) for hu in made])
        if scores["histogram_distance"] < result["histogram_distance"]:
            best, result, volumes = name, scores, made
    seconds = (time.perf_counter() - start) / (len(draws) * len(method.settings))
    if segment is not None:
        found = [dice(segment(hu, case.spacing), case.lesion) for hu in (case.hu, *volumes)]
        result |= {"dice": float(np.mean(found[1:])), "dice_real": found[0]}
    return {
        "case": case.name,
        "region": case.region,
        "ml": round(case.millilitres, 2),
        "method": method.name,
        **{name: round(value, 4) for name, value in result.items()},
        "outside_difference": max(outside_difference(hu, case.hu, case.lesion) for hu in volumes),
        "draws": len(draws),
        "seconds": round(seconds, 2),
        "setting": best,
    }


def _scores(metrics: dict) -> dict[str, float]:
    return {name: metrics[name] for name in _SCORES}
