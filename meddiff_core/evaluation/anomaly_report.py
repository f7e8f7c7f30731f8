"""The metrics of anomaly detection after an evaluation, as a table."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from meddiff_core.evaluation.markdown import number, table
from meddiff_core.evaluation.report import EvaluationReport, means
from meddiff_core.metrics.anomaly import lesion_dice, map_metrics, slice_scores
from meddiff_core.metrics.auroc import auroc
from meddiff_core.metrics.froc import FALSE_FINDINGS, SIZES_MM, ScanFindings, scan_findings, sensitivity
from meddiff_core.transforms.scans import scan_stem

_PER_VOLUME = {
    "average_precision": "average precision",
    "pixel_auroc": "pixel AUROC",
    "pro": "PRO (0.3)",
    "dice": "Dice",
}


class AnomalyReport(EvaluationReport):
    """Writes `anomaly.json` and `anomaly.md`, and puts the means into `engine.state.metrics`.

    Per volume: average precision, pixel AUROC and PRO of the map, Dice of the mask, all within the organ.
    Over all volumes together: image AUROC, where an image is an axial slice, and the share of the lesions
    found at 1, 2, 4 and 8 false findings per scan, also by size. The metrics are `average_precision`,
    `pixel_auroc`, `pro`, `dice`, `image_auroc` and `sensitivity_at_1` to `_8`; a volume without lesions
    counts in the last five alone. What cannot be computed, as where all volumes are healthy, is left out.
    An item holds `pred`, the anomaly map in HU, `(1, X, Y, Z)`; its `mask`; the `organ`, whose file names
    the volume; and the `lesion`, which a healthy volume has not.

    Args:
        output_dir: folder of the two files.
    """

    name = "anomaly"

    def start(self) -> None:
        """Forget what an earlier run has measured."""
        super().start()
        self.slices: list[tuple[np.ndarray, np.ndarray]] = []
        self.findings: list[ScanFindings] = []

    def measure(self, item: Mapping) -> dict:
        """The numbers of one volume; the scores of its slices are kept."""
        score_map = np.asarray(item["pred"])[0]
        mask, organ = (np.asarray(item[key])[0] > 0 for key in ("mask", "organ"))
        healthy = "lesion" not in item
        lesion = np.zeros_like(organ) if healthy else np.asarray(item["lesion"])[0] > 0
        self.slices.append(slice_scores(score_map, lesion, organ))
        self.findings.append(scan_findings(score_map, lesion, organ, item["organ"].pixdim.tolist()))
        name = scan_stem(item["organ"].meta["filename_or_obj"])
        metrics = map_metrics(score_map, lesion, organ)
        return {"volume": name, **metrics, "dice": lesion_dice(mask, lesion, organ)}

    def result(self) -> dict:
        """Content of `anomaly.json`."""
        scores, truth = (np.concatenate(parts) for parts in zip(*self.slices, strict=True))
        rows = [{key: volume[key] for key in _PER_VOLUME} for volume in self.volumes]
        joint = {"image_auroc": auroc(scores, truth)} | {
            f"sensitivity_at_{n}": sensitivity(self.findings, n) for n in FALSE_FINDINGS
        }
        return {
            "mean": means(rows) | means([joint]),
            "sensitivity_by_size": {
                size: means([{str(n): sensitivity(self.findings, n, size) for n in FALSE_FINDINGS}])
                for size in SIZES_MM
            },
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
            "mean of its highest 1 % of organ voxels. A volume without a lesion has n/a elsewhere.\n\n"
            f"{_sensitivities(result)}\n\n"
            "Share of the lesions that is found, by the diameter of a ball of their volume. A finding is a "
            "maximum of the map, 10 mm or more from a higher one.\n"
        )


def _numbers(row: Mapping[str, float]) -> list[str]:
    return [number(row.get(key)) for key in _PER_VOLUME]


def _sensitivities(result: Mapping) -> str:
    all_sizes = {str(n): result["mean"].get(f"sensitivity_at_{n}") for n in FALSE_FINDINGS}
    groups = {"all": all_sizes} | result["sensitivity_by_size"]
    rows = [[size, *(number(row.get(str(n))) for n in FALSE_FINDINGS)] for size, row in groups.items()]
    return table(["lesions", *(f"at {n} false per scan" for n in FALSE_FINDINGS)], rows)
