"""Lesion benchmark: lesions made in the masks of real ones and compared with those, ours beside its peers."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from benchmarks.lesion_cases import LesionCase
from benchmarks.lesion_methods import Method
from tqdm import tqdm

from meddiff_core.evaluation import markdown
from meddiff_core.evaluation.report import means
from meddiff_core.files import whole_file
from meddiff_core.metrics.lesion_segmenter import LesionSegmenter
from meddiff_core.metrics.lesions import dice, lesion_metrics, outside_difference

_SCORES = ("hu_error", "histogram_distance", "seam")


def run(
    cases: Sequence[LesionCase],
    methods: Sequence[Method],
    segment: LesionSegmenter | None,
    output_dir: Path,
) -> list[dict]:
    """Measure every method on every case; write `lesion.json` and `lesion.md`.

    Args:
        cases: scans with the real lesion that is to be made again.
        methods: from `make_method`.
        segment: finds lesions, for Dice; None leaves it out.
        output_dir: folder for the tables; rewritten after each result.
    """
    rows: list[dict] = []
    for case, method in tqdm([(case, method) for case in cases for method in methods], unit="result"):
        row = {
            "case": case.name,
            "region": case.region,
            "ml": round(case.millilitres, 2),
            "method": method.name,
        }
        rows.append(row | measure(method, case, segment))
        with whole_file(output_dir / "lesion.json") as draft:
            draft.write_text(json.dumps(rows, indent=1))
        with whole_file(output_dir / "lesion.md") as draft:
            draft.write_text(table(rows))
    return rows


def measure(method: Method, case: LesionCase, segment: LesionSegmenter | None) -> dict:
    """Means over the draws of one method on one case, at the setting of least histogram distance."""
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
        **{name: round(value, 4) for name, value in result.items()},
        "outside_difference": max(outside_difference(hu, case.hu, case.lesion) for hu in volumes),
        "draws": len(draws),
        "seconds": round(seconds, 2),
        "setting": best,
    }


def _scores(metrics: dict) -> dict[str, float]:
    return {name: metrics[name] for name in _SCORES}


def table(rows: list[dict]) -> str:
    """Markdown table of the results, with what they stand on above it."""
    cases = len({row["case"] for row in rows})
    introduction = (
        f"Lesions, {cases} case(s). A lesion is made in the mask of the real one, from its surroundings "
        "alone, and compared with it: difference of the mean HU, Wasserstein-1 distance of the HU, step "
        "across the border over that of the real lesion (1 is alike), Dice of a segmenter (in parentheses "
        "that in the real scan), largest change outside the mask. Means over all donors (copy) or seeds. "
        "Peers at the setting that is best for the histogram distance of the case, which no user could know; "
        "ours at its default."
    )
    header = [
        "case",
        "region",
        "ml",
        "method",
        "draws",
        "HU error",
        "histogram distance",
        "seam",
        "Dice (real)",
    ]
    header += ["change outside, HU", "seconds", "setting"]
    return f"{introduction}\n\n{markdown.table(header, [_cells(row) for row in rows])}\n"


def _cells(row: dict) -> list[str]:
    found, real = (markdown.number(row.get(key)) for key in ("dice", "dice_real"))
    return [
        row["case"],
        row["region"],
        f"{row['ml']:.1f}",
        row["method"],
        str(row["draws"]),
        f"{row['hu_error']:.1f}",
        f"{row['histogram_distance']:.1f}",
        markdown.number(row.get("seam"), 2),
        f"{found} ({real})",
        f"{row['outside_difference']:.1f}",
        f"{row['seconds']:.1f}",
        row["setting"],
    ]
