"""The HU of lesions: mean and deviation that are asked for, or those of real lesions of the organ."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np

from meddiff_core.conditions.regions import FULL, region_window
from meddiff_core.conditions.vocabulary import COARSE_OF, label_id
from meddiff_core.errors import check_number

_TABLE = json.loads(files(__package__).joinpath("lesion_hu.json").read_text(encoding="utf-8"))
"""Training lesions, `mean` and `deviation` of each in HU, by where they lie: `lung`, else `body`.

`meddiff_core.evaluation.measure_organ_hu` makes it from a data list.
"""

_LARGEST_DEVIATION = 300.0


@dataclass(frozen=True)
class LesionHU:
    """The HU that a lesion is to have, as options.

    Args:
        mean: mean HU within the lesion; None draws it, by the seed, among training lesions of such an organ.
        deviation: standard deviation of its HU; None takes that of the same training lesion.

    Raises:
        InputError: HU that no lesion has.
    """

    mean: float | None = None
    deviation: float | None = None

    def __post_init__(self) -> None:
        full = region_window(FULL)
        if self.mean is not None:
            wanted = f"HU from {full.lower:g} to {full.upper:g}"
            check_number("lesion_hu", self.mean, wanted, lambda v: full.lower <= v <= full.upper)
        if self.deviation is not None:
            wanted = f"HU above 0, at most {_LARGEST_DEVIATION:g}"
            check_number("lesion_deviation", self.deviation, wanted, lambda v: 0 < v <= _LARGEST_DEVIATION)

    @property
    def options(self) -> dict[str, Any]:
        """The options by the names that users type."""
        return {"lesion_hu": self.mean, "lesion_deviation": self.deviation}

    def draw(self, labels: np.ndarray, seed: int) -> tuple[float, float]:
        """Mean and standard deviation of a lesion in HU.

        Args:
            labels: of the anatomy map in the lesion's place, without the lesion.
            seed: of the draw.
        """
        real = _TABLE[lesion_kind(labels)]
        chosen = real[int(np.random.default_rng(seed).integers(len(real)))]
        given = {"mean": self.mean, "deviation": self.deviation}
        chosen = chosen | {name: value for name, value in given.items() if value is not None}
        return float(chosen["mean"]), float(chosen["deviation"])


def lesion_kind(labels: np.ndarray) -> str:
    """`lung` or `body`, by the labels of the map in the lesion's place, without the lesion."""
    coarse = COARSE_OF[np.asarray(labels).astype(np.int64).ravel()]
    return "lung" if np.mean(coarse == label_id("lung")) > 0.5 else "body"
