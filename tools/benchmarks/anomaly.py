"""Anomaly benchmark: maps of our bundle beside those of its peers, pixel and image AUROC, PRO and Dice."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from benchmarks.anomaly_cases import AnomalyCase
from benchmarks.anomaly_methods import Finish, Method, make_method
from tqdm import tqdm

from meddiff_core.files import whole_file
from meddiff_core.inferers.anomaly import organ_mean
from meddiff_core.metrics.anomaly import lesion_dice, map_metrics, slice_scores
from meddiff_core.metrics.auroc import auroc

_THRESHOLD_PERCENTILE = 99.0
_SCORES = {"pixel_auroc": "pixel AUROC", "pro": "PRO (0.3)", "dice": "Dice", "image_auroc": "image AUROC"}


def run(
    cases: Sequence[AnomalyCase],
    references: Sequence[AnomalyCase],
    methods: Sequence[str],
    weights: Path | None,
    output_dir: Path,
) -> list[dict]:
    """Measure every method on every case; write `anomaly.json` and `anomaly.md`.

    Args:
        cases: volumes with lesions.
        references: healthy volumes, for thresholds and for PaDiM.
        methods: names for `make_method`.
        weights: of the foundation; None for those of the bundle.
        output_dir: folder for the tables; rewritten after each result.
    """
    made = [make_method(name, references, weights) for name in methods]
    rows: list[dict] = []
    for case, method in tqdm([(case, method) for case in cases for method in made], unit="result"):
        row = {"case": case.name, "region": case.region, "polarity": case.polarity, "method": method.name}
        rows.append(row | measure(method, case, references))
        with whole_file(output_dir / "anomaly.json") as draft:
            draft.write_text(json.dumps(rows, indent=1))
        with whole_file(output_dir / "anomaly.md") as draft:
            draft.write_text(table(rows))
    return rows


def measure(method: Method, case: AnomalyCase, references: Sequence[AnomalyCase]) -> dict:
    """Result of one method on one case, at the setting and finish that are best for the case's AUROC."""
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
        **{name: round(value, 4) for name, value in metrics.items() if not np.isnan(value)},
        "threshold": threshold,
        "setting": method.describe(setting, finish),
        "seconds": round(seconds, 2),
    }


def score_map(difference: np.ndarray, case: AnomalyCase, finish: Finish, polarity: str) -> np.ndarray:
    """Finish a method's difference and turn it so that higher is more anomalous; 0 where it is taken off."""
    inner = case.organ if finish.erosion == 0 else case.depth > finish.erosion
    if finish.smoothing:
        smooth = organ_mean(difference, inner, case.spacing, finish.smoothing)
    else:
        smooth = np.where(inner, difference, 0)
    return {"bright": smooth, "dark": -smooth, "both": np.abs(smooth)}[polarity]


def table(rows: list[dict]) -> str:
    """Markdown table of the results, with what they stand on above it."""
    volumes = len({row["case"] for row in rows})
    lines = [
        f"Anomaly detection, {volumes} case(s). Pixel AUROC and PRO within the organ; Dice at the 99th "
        "percentile of the method's scores in healthy reference volumes of other patients; image AUROC over "
        "the axial slices of the case. Peers at the setting, smoothing and erosion that are best for the "
        "pixel AUROC of the case, which no user could know; ours at its default.",
        "",
        f"| case | region | polarity | method | {' | '.join(_SCORES.values())} | setting |",
        "|---|---|---|---|" + "---|" * len(_SCORES) + "---|",
    ]
    for row in rows:
        scores = (f"{row[key]:.3f}" if key in row else "-" for key in _SCORES)
        cells = (row["case"], row["region"], row["polarity"], row["method"], *scores, row["setting"])
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
