"""The metrics of CT synthesis after an evaluation, as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from meddiff_core.conditions.coarse import coarse_labels
from meddiff_core.conditions.regions import WIDEST_WINDOW
from meddiff_core.errors import InputError
from meddiff_core.evaluation.report import EvaluationReport, means
from meddiff_core.evaluation.synthesis_tables import synthesis_markdown
from meddiff_core.inferers.known_part import content_of_map
from meddiff_core.inferers.window_grid import WindowGrid
from meddiff_core.inferers.windows import Windows
from meddiff_core.metrics.anatomy_dice import Segmenter, anatomy_dice, segmenter_name
from meddiff_core.metrics.feature_distance import feature_distance
from meddiff_core.metrics.features import FeatureExtractor
from meddiff_core.metrics.hu_by_class import hu_by_class, hu_by_organ
from meddiff_core.metrics.ms_ssim import ms_ssim, ms_ssim_levels
from meddiff_core.metrics.seams import seam_index
from meddiff_core.transforms.scans import scan_stem

_DIVISOR = 8
"""Of both networks."""


class SynthesisReport(EvaluationReport):
    """Writes `synthesis.json` and `synthesis.md`, and puts the means into `engine.state.metrics`.

    Per volume: MS-SSIM, HU per coarse class and per organ, Dice of the anatomy and seam index, the last two
    of the real CT as well; `hu_error` is the mean absolute difference of the classes. Over all volumes
    together: FID and MMD of the features of their blocks. All in HU clipped to the widest window.

    An item holds `pred`, the generated CT in HU, `(1, X, Y, Z)` in RAS; `label`, the real CT on the same
    grid, whose file names the volume; and `anatomy`, the map that the CT was generated from.

    Args:
        output_dir: folder of the two files.
        extractor: makes the features, see `feature_extractor`.
        windows: those of the inferer, of a known size.
        segment: finds the anatomy in a CT, see `anatomy_dice`.

    Raises:
        InputError: for a window size that is not known.
    """

    name = "synthesis"

    def __init__(
        self,
        output_dir: str | Path,
        extractor: FeatureExtractor,
        windows: Windows,
        segment: Segmenter = coarse_labels,
    ) -> None:
        super().__init__(output_dir)
        self.extractor = extractor
        if isinstance(windows.size, str):
            raise InputError(
                f"window_size is {windows.size!r}: an evaluation, which looks for seams, needs a number."
            )
        self.windows = windows
        self.segment = segment

    def start(self) -> None:
        """Forget what an earlier run has measured."""
        super().start()
        self.features: dict[str, list[torch.Tensor]] = {"generated": [], "real": []}

    def measure(self, item: Mapping) -> dict:
        """The numbers of one volume; its features are kept."""
        pred, label, anatomy = (item[key] for key in ("pred", "label", "anatomy"))
        window = (WIDEST_WINDOW.lower, WIDEST_WINDOW.upper)
        generated, real = (np.asarray(hu[0].cpu()).clip(*window) for hu in (pred, label))
        labels = np.rint(np.asarray(anatomy[0].cpu())).astype(np.uint8)
        self.features["generated"].append(self.extractor(generated))
        self.features["real"].append(self.extractor(real))
        name, spacing = scan_stem(label.meta["filename_or_obj"]), label.pixdim.tolist()
        return {"volume": name} | self._metrics(generated, real, labels, spacing)

    def _metrics(
        self, generated: np.ndarray, real: np.ndarray, anatomy: np.ndarray, spacing: Sequence[float]
    ) -> dict:
        windows = WindowGrid(
            real.shape, self.windows.size, self.windows.overlap, _DIVISOR, content_of_map(anatomy)
        ).windows
        pair = {"generated": generated, "real": real}
        hu = hu_by_class(generated, real, anatomy)
        differences = [abs(mean["difference"]) for mean in hu.values()]
        return {
            "ms_ssim": ms_ssim(generated, real),
            "ms_ssim_levels": ms_ssim_levels(real.shape),
            "seam_index": {name: seam_index(hu, windows, anatomy > 0) for name, hu in pair.items()},
            "hu_error": float(np.mean(differences)) if differences else float("nan"),
            "hu_by_class": hu,
            "hu_by_organ": hu_by_organ(generated, real, anatomy),
            "dice": {name: anatomy_dice(hu, anatomy, spacing, self.segment) for name, hu in pair.items()},
        }

    def result(self) -> dict:
        """Content of `synthesis.json`."""
        distance = feature_distance(*(torch.cat(vectors) for vectors in self.features.values()))
        return {
            "data": "synthetic CT, each beside the real CT whose anatomy map it was generated from",
            "count": len(self.volumes),
            "features": self.extractor.name,
            "feature_vectors": distance["vectors"],
            "segmenter": segmenter_name(self.segment),
            "mean": {"fid": distance["fid"], "mmd": distance["mmd"]} | means(list(map(_flat, self.volumes))),
            "volumes": self.volumes,
        }

    def page(self, result: Mapping) -> str:
        """Tables of `result`."""
        return synthesis_markdown(result)


def _flat(volume: Mapping) -> dict[str, float]:
    """One volume's numbers by the names that they have in `engine.state.metrics`."""
    dice = volume["dice"]
    return {
        "ms_ssim": volume["ms_ssim"],
        "seam_index": volume["seam_index"]["generated"],
        "seam_index_real": volume["seam_index"]["real"],
        "hu_error": volume["hu_error"],
        **{f"hu_error_{name}": abs(mean["difference"]) for name, mean in volume["hu_by_class"].items()},
        **{f"dice_{name}": value for name, value in dice["generated"].items()},
        **{f"dice_{name}_real": value for name, value in dice["real"].items()},
    }
