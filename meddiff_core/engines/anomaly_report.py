"""The metrics of anomaly detection after an evaluation, as a table."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from ignite.engine import Engine, Events

from meddiff_core.files import whole_file
from meddiff_core.metrics.anomaly import lesion_dice, map_metrics, slice_scores
from meddiff_core.metrics.auroc import auroc
from meddiff_core.transforms.scans import scan_stem

_PER_VOLUME = {"pixel_auroc": "pixel AUROC", "pro": "PRO (0.3)", "dice": "Dice"}


class AnomalyReport:
    """Writes `anomaly.json` and `anomaly.md`, and puts the means into `engine.state.metrics`.

    Per volume: pixel AUROC and PRO of the map and Dice of the mask, all within the organ. Over all volumes
    together: image AUROC, where an image is an axial slice. The metrics are `pixel_auroc`, `pro`, `dice` and
    `image_auroc`; a volume without lesions counts in the last alone. List it before a `MetricsSaver`.

    Args:
        output_dir: folder of the two files.
        pred_key: anomaly map in HU, `(1, X, Y, Z)` on the same grid as the others.
        mask_key: its mask, uint8.
        lesion_key: the truth; a volume without it is healthy.
        organ_key: the organ, a MetaTensor; the volume is named after its file.
    """

    def __init__(
        self,
        output_dir: str | Path,
        pred_key: str = "pred",
        mask_key: str = "mask",
        lesion_key: str = "lesion",
        organ_key: str = "organ",
    ) -> None:
        self.output_dir = Path(output_dir)
        self.pred_key = pred_key
        self.mask_key = mask_key
        self.lesion_key = lesion_key
        self.organ_key = organ_key

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator whose batch and output are lists of dictionaries, as MONAI's."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._measure)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._write)

    def _start(self) -> None:
        self.rows: list[dict] = []
        self.slices: list[tuple[np.ndarray, np.ndarray]] = []

    def _measure(self, engine: Engine) -> None:
        for batch, output in zip(engine.state.batch, engine.state.output, strict=True):
            item = {**batch, **output}  # what is neither input, label nor prediction stays in the batch
            score_map = np.asarray(item[self.pred_key])[0]
            mask, organ = (np.asarray(item[key])[0] > 0 for key in (self.mask_key, self.organ_key))
            healthy = self.lesion_key not in item
            lesion = np.zeros_like(organ) if healthy else np.asarray(item[self.lesion_key])[0] > 0
            metrics = map_metrics(score_map, lesion, organ)
            name = scan_stem(item[self.organ_key].meta["filename_or_obj"])
            self.rows.append({"volume": name, **metrics, "dice": lesion_dice(mask, lesion, organ)})
            self.slices.append(slice_scores(score_map, lesion, organ))

    def _write(self, engine: Engine) -> None:
        if not self.rows:  # every scan failed; the evaluator says why
            return
        means = {key: _mean([row[key] for row in self.rows]) for key in _PER_VOLUME}
        scores, truth = (np.concatenate(parts) for parts in zip(*self.slices, strict=True))
        means["image_auroc"] = auroc(scores, truth)
        engine.state.metrics.update(means)
        result = {"mean": _plain(means), "volumes": [_plain(row) for row in self.rows]}
        with whole_file(self.output_dir / "anomaly.json") as draft:
            draft.write_text(json.dumps(result, indent=1))
        with whole_file(self.output_dir / "anomaly.md") as draft:
            draft.write_text(_table(self.rows, means, int(truth.sum()), truth.size))


def _mean(values: list[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def _plain(row: dict) -> dict:
    """JSON has no nan."""
    return {key: None if value != value else value for key, value in row.items()}


def _table(rows: list[dict], means: dict[str, float], with_lesion: int, slices: int) -> str:
    lines = [
        f"| volume | {' | '.join(_PER_VOLUME.values())} |",
        "|---|" + "---|" * len(_PER_VOLUME),
        *(_line(row["volume"], row) for row in rows),
        _line("mean", means),
        "",
        f"Image AUROC {means['image_auroc']:.3f}: {with_lesion} axial slices with a lesion against "
        f"{slices - with_lesion} without, {len(rows)} volume(s); a slice scores the mean of its highest 1 % "
        "of organ voxels.",
    ]
    return "\n".join(lines) + "\n"


def _line(name: str, row: dict[str, float]) -> str:
    return f"| {name} | {' | '.join(f'{row[key]:.3f}' for key in _PER_VOLUME)} |"
