"""The metrics of lesion generation and inpainting after an evaluation, as a table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from meddiff_core.conditions.regions import WIDEST_WINDOW
from meddiff_core.evaluation.markdown import number, table
from meddiff_core.evaluation.report import EvaluationReport, means
from meddiff_core.metrics.lesion_segmenter import LesionSegmenter
from meddiff_core.metrics.lesions import dice, histogram_distance, lesion_metrics, outside_difference
from meddiff_core.transforms.scans import scan_stem

_INTRODUCTION = """\
# Generated lesions beside real ones

{count} volume(s). Each generated lesion fills the mask of the real one. HU are clipped to
[{lower:.0f}, {upper:.0f}]. Histogram distance: Wasserstein-1; {pooled} HU over all lesions together.
Seam: step across the lesion's border over that of the real one; 1 is alike."""
_DICE = """\
Dice: what the segmenter ({segmenter}) finds in the generated CT, against the mask; in parentheses in the
real CT."""


class LesionReport(EvaluationReport):
    """Writes `lesion.json` and `lesion.md`, and puts the means into `engine.state.metrics`.

    Per volume: see `lesion_metrics`; where they are asked for Dice of a segmenter (`dice`, and `dice_real` in
    the real CT) and `outside_difference`. Over all volumes together: `histogram_distance_pooled`.

    An item holds `pred`, the CT with the generated lesion in HU, `(1, X, Y, Z)` in RAS; `label`, the real CT
    on the same grid, whose file names the volume; and `lesion`, the mask that the generated one fills.

    Args:
        output_dir: folder of the two files.
        segment: finds lesions in a CT, see `lesion_segmenter`; None leaves Dice out.
        original_key: the CT in HU that the lesion was put into; None where all of the CT is generated.
    """

    name = "lesion"

    def __init__(
        self,
        output_dir: str | Path,
        segment: LesionSegmenter | None = None,
        original_key: str | None = None,
    ) -> None:
        super().__init__(output_dir)
        self.segment = segment
        self.original_key = original_key

    def start(self) -> None:
        """Forget what an earlier run has measured."""
        super().start()
        self.inside: dict[str, list[np.ndarray]] = {"generated": [], "real": []}

    def measure(self, item: Mapping) -> dict:
        """The numbers of one volume; the HU of its lesion are kept."""
        generated, real, mask = (np.asarray(item[key].cpu())[0] for key in ("pred", "label", "lesion"))
        lesion, scan = mask > 0, item["label"]
        spacing = scan.pixdim.tolist()
        for name, hu in (("generated", generated), ("real", real)):
            self.inside[name].append(np.clip(hu[lesion], WIDEST_WINDOW.lower, WIDEST_WINDOW.upper))
        row = {
            "volume": scan_stem(scan.meta["filename_or_obj"]),
            "ml": float(lesion.sum() * np.prod(spacing) / 1000),
            **lesion_metrics(generated, real, lesion),
        }
        if self.segment is not None:
            row["dice"], row["dice_real"] = (
                dice(self.segment(hu, spacing), lesion) for hu in (generated, real)
            )
        if self.original_key is not None:
            original = np.asarray(item[self.original_key].cpu())[0]
            row["outside_difference"] = outside_difference(generated, original, lesion)
        return row

    def result(self) -> dict:
        """Content of `lesion.json`."""
        numbers = [
            {key: value for key, value in volume.items() if isinstance(value, float) and key != "ml"}
            for volume in self.volumes
        ]
        pooled = {"histogram_distance_pooled": histogram_distance(*self.inside.values())}
        return {
            "count": len(self.volumes),
            "segmenter": None if self.segment is None else self.segment.name,
            "mean": means(numbers) | pooled,
            "volumes": self.volumes,
        }

    def page(self, result: Mapping) -> str:
        """Table of `result`."""
        mean = result["mean"]
        window = {"lower": WIDEST_WINDOW.lower, "upper": WIDEST_WINDOW.upper}
        pooled = number(mean["histogram_distance_pooled"], 1)
        parts = [_INTRODUCTION.format(**result, **window, pooled=pooled)]
        header = ["volume", "ml", "mean HU generated / real", "SD", "HU error", "histogram distance", "seam"]
        if self.segment is not None:
            parts.append(_DICE.format(**result))
            header.append("Dice (real)")
        if self.original_key is not None:
            header.append("change outside, HU")
        rows = [_described(volume) + self._numbers(volume) for volume in result["volumes"]]
        parts.append(table(header, [*rows, ["mean", "", "", "", *self._numbers(mean)]]))
        return "\n\n".join(parts) + "\n"

    def _numbers(self, row: Mapping) -> list[str]:
        cells = [number(row[key], 1) for key in ("hu_error", "histogram_distance")]
        cells.append(number(row.get("seam"), 2))
        if self.segment is not None:
            cells.append(f"{number(row.get('dice'))} ({number(row.get('dice_real'))})")
        if self.original_key is not None:
            cells.append(number(row["outside_difference"], 1))
        return cells


def _described(volume: Mapping) -> list[str]:
    pairs = (f"{volume['generated'][name]:.0f} / {volume['real'][name]:.0f}" for name in ("mean", "sd"))
    return [volume["volume"], f"{volume['ml']:.1f}", *pairs]
