"""The metrics of anomaly detection after an evaluation, as a table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from meddiff_core.evaluation.markdown import number, table
from meddiff_core.evaluation.report import EvaluationReport, means
from meddiff_core.metrics.anomaly import lesion_dice, map_metrics, slice_scores
from meddiff_core.metrics.auroc import auroc
from meddiff_core.transforms.scans import scan_stem

_PER_VOLUME = {"pixel_auroc": "pixel AUROC", "pro": "PRO (0.3)", "dice": "Dice"}


class AnomalyReport(EvaluationReport):
    """Writes `anomaly.json` and `anomaly.md`, and puts the means into `engine.state.metrics`.

    Per volume: pixel AUROC and PRO of the map and Dice of the mask, all within the organ. Over all volumes
    together: image AUROC, where an image is an axial slice. The metrics are `pixel_auroc`, `pro`, `dice` and
    `image_auroc`; a volume without lesions counts in the last alone. What cannot be computed, as where all
    volumes are healthy, is left out.

    Args:
        output_dir: folder of the two files.
        pred_key: anomaly map in HU, `(1, X, Y, Z)` on the same grid as the others.
        mask_key: its mask, uint8.
        lesion_key: the truth; a volume without it is healthy.
        organ_key: the organ, a MetaTensor; the volume is named after its file.
    """

    name = "anomaly"

    def __init__(
        self,
        output_dir: str | Path,
        pred_key: str = "pred",
        mask_key: str = "mask",
        lesion_key: str = "lesion",
        organ_key: str = "organ",
    ) -> None:
        super().__init__(output_dir)
        self.pred_key = pred_key
        self.mask_key = mask_key
        self.lesion_key = lesion_key
        self.organ_key = organ_key

    def start(self) -> None:
        """Forget what an earlier run has measured."""
        super().start()
        self.slices: list[tuple[np.ndarray, np.ndarray]] = []

    def measure(self, item: Mapping) -> dict:
        """The numbers of one volume; the scores of its slices are kept."""
        score_map = np.asarray(item[self.pred_key])[0]
        mask, organ = (np.asarray(item[key])[0] > 0 for key in (self.mask_key, self.organ_key))
        healthy = self.lesion_key not in item
        lesion = np.zeros_like(organ) if healthy else np.asarray(item[self.lesion_key])[0] > 0
        self.slices.append(slice_scores(score_map, lesion, organ))
        name = scan_stem(item[self.organ_key].meta["filename_or_obj"])
        metrics = map_metrics(score_map, lesion, organ)
        return {"volume": name, **metrics, "dice": lesion_dice(mask, lesion, organ)}

    def result(self) -> dict:
        """Content of `anomaly.json`."""
        scores, truth = (np.concatenate(parts) for parts in zip(*self.slices, strict=True))
        rows = [{key: volume[key] for key in _PER_VOLUME} for volume in self.volumes]
        return {
            "mean": means(rows) | means([{"image_auroc": auroc(scores, truth)}]),
            "volumes_counted": {key: sum(not np.isnan(row[key]) for row in rows) for key in _PER_VOLUME},
            "slices": len(truth),
            "slices_with_lesion": int(truth.sum()),
            "volumes": self.volumes,
        }

    def page(self, result: Mapping) -> str:
        """Table of `result`."""
        mean, volumes, with_lesion = result["mean"], result["volumes"], result["slices_with_lesion"]
        rows = [[volume["volume"], *_numbers(volume)] for volume in volumes]
        counted = [f"{result['volumes_counted'][key]} of {len(volumes)}" for key in _PER_VOLUME]
        rows += [["mean", *_numbers(mean)], ["volumes that count", *counted]]
        return (
            f"{table(['volume', *_PER_VOLUME.values()], rows)}\n\n"
            f"Image AUROC {number(mean.get('image_auroc'))}: {with_lesion} axial slices with a lesion "
            f"against {result['slices'] - with_lesion} without, {len(volumes)} volume(s); a slice scores the "
            "mean of its highest 1 % of organ voxels. A volume without a lesion has n/a elsewhere.\n"
        )


def _numbers(row: Mapping[str, float]) -> list[str]:
    return [number(row.get(key)) for key in _PER_VOLUME]
