"""The HU that organs are to have: numbers of the user's, and those of a contrast phase."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np

from meddiff_core.conditions.regions import FULL, region_window
from meddiff_core.conditions.usual_hu import usual_means
from meddiff_core.conditions.vocabulary import BODY, COARSE_OF, label_id, label_name
from meddiff_core.errors import InputError, check_choice, check_count

_TABLE = json.loads(files(__package__).joinpath("organ_hu.json").read_text(encoding="utf-8"))

PHASES: tuple[str, ...] = tuple(_TABLE["phases"])
"""Contrast phases of the table."""

OrganHU = str | Mapping[str, float] | None
"""Mean HU by label, as `liver=110,aorta=180` or as a mapping."""

Targets = dict[tuple[int, ...], float]
"""Mean HU by the labels that share it."""

_SIDES = ("", "_left", "_right")
_LISTED = 12
_LUNG_VESSEL = "pulmonary_vein"


@dataclass(frozen=True)
class TissueHU:
    """The mean HU that tissues of a generated CT are to have, as options.

    Args:
        organ_hu: mean HU of organs, see `OrganHU`; before what the phase says.
        contrast: one of `PHASES` sets the mean HU of the organs that a map names to those of the phase, and
            that of lung, bone, fat and other tissue to the usual one; None leaves all to the network.
        retries: how often a volume is sampled again, from another seed, of which a tissue has a median HU
            that no training scan has.

    Raises:
        InputError: an unknown label or phase, HU that no CT has, or no count.
    """

    organ_hu: OrganHU = None
    contrast: str | None = None
    retries: int = 0

    def __post_init__(self) -> None:
        if self.contrast is not None:
            check_choice("contrast", self.contrast, PHASES)
        check_count("retries", self.retries, 0)
        object.__setattr__(
            self, "organ_hu", {name: _checked_hu(name, hu) for name, hu in _pairs(self.organ_hu)}
        )

    @property
    def options(self) -> dict[str, Any]:
        """The options by the names that users type."""
        return {"organ_hu": self.organ_hu, "contrast": self.contrast, "retries": self.retries}

    @property
    def blood(self) -> float:
        """HU of the blood in the lungs: `organ_hu` of the pulmonary vein, or that of the phase."""
        return self.organ_hu.get(_LUNG_VESSEL) or _of_phase(_LUNG_VESSEL, self.contrast or "none")

    def targets(self, labels: np.ndarray, region: str) -> Targets:
        """Mean HU for the tissues that a map has.

        Args:
            labels: ids of the vocabulary, any shape.
            region: of the map; a head has no contrast phase.

        Raises:
            InputError: a label of `organ_hu` that the map has not, or a contrast phase of a head.
        """
        if self.contrast not in (None, "none") and region == "head_neck":
            raise InputError(
                f"contrast is {self.contrast}, but the map shows a head or neck, whose vessels have no such "
                "table: use none, and give vessels by organ_hu."
            )
        present = np.flatnonzero(np.bincount(np.asarray(labels).astype(np.int64).ravel())).tolist()
        targets: Targets = {}
        given = {label_id(name) for name in self.organ_hu}
        for name, hu in self.organ_hu.items():
            # a coarse class stands for all labels of that class that have no number of their own
            own = label_id(name)
            ids = tuple(k for k in _labels_of(name) if k in present and (k not in given or k == own))
            if not ids:
                raise InputError(
                    f"organ_hu names {name}, but the anatomy map has none: it has {_listed(present)}."
                )
            targets[ids] = hu
        given |= {label for ids in targets for label in ids}
        for name, hu in self._usual(present, region).items():
            ids = tuple(k for k in _labels_of(name) if k in present and k not in given)
            if ids:
                targets[ids] = hu
        return targets

    def _usual(self, present: Sequence[int], region: str) -> dict[str, float]:
        """Mean HU by name, of the phase and of tissues."""
        if self.contrast is None:
            return {}
        names = [label_name(label) for label in present if 0 < label < BODY]
        usual = {name: _of_phase(name, self.contrast) for name in names}
        return {name: hu for name, hu in usual.items() if hu is not None} | usual_means(region)


def _checked_hu(name: str, value: object) -> float:
    full = region_window(FULL)
    try:
        hu = float(value)
    except (TypeError, ValueError):
        hu = float("nan")
    if not label_id(name) or not full.lower <= hu <= full.upper:
        raise InputError(
            f"organ_hu gives {name} {value} HU: name a label, and HU from {full.lower:g} to {full.upper:g}, "
            "such as liver=110."
        )
    return hu


def _listed(present: Sequence[int]) -> str:
    names = [label_name(label) for label in present if label]
    return ", ".join(names[:_LISTED]) + (", ..." if len(names) > _LISTED else "")


def _pairs(organ_hu: OrganHU) -> list[tuple[str, object]]:
    if organ_hu is None:
        return []
    if isinstance(organ_hu, Mapping):
        return [(str(name), value) for name, value in organ_hu.items()]
    parts = [part for part in str(organ_hu).split(",") if part.strip()]
    if not parts or any(part.count("=") != 1 for part in parts):
        raise InputError(f"organ_hu is {organ_hu!r}: give labels with their HU, such as liver=110,aorta=180.")
    return [tuple(word.strip() for word in part.split("=")) for part in parts]


def _labels_of(name: str) -> list[int]:
    label = label_id(name)
    return [label] if label <= BODY else np.flatnonzero(label == COARSE_OF).tolist()


def _of_phase(name: str, contrast: str) -> float | None:
    for side in _SIDES:
        row = _TABLE["hu"].get(name.removesuffix(side) if side else name)
        if row is not None:
            return float(row[PHASES.index(contrast)])
    return None
