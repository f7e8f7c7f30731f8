"""The anomaly methods by name, with the settings and smoothing that are tried for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from benchmarks.anomaly_peers import blur, zscore
from benchmarks.bundle import BUNDLES, bundle_parts
from benchmarks.padim import PaDiM
from benchmarks.scans import Scan

from meddiff_core.errors import InputError
from meddiff_core.networks.ct_denoiser import CTDenoiser
from meddiff_core.networks.weights import load_weights

METHODS = ("zscore", "blur", "padim", "ours")


class Finish(NamedTuple):
    """What is done to a map, in mm: smoothing within the organ after its surface has been taken off."""

    smoothing: float = 0.0
    erosion: float = 0.0


_FINISHES = tuple(Finish(*both) for both in product((0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0), (0.0, 2.0)))


@dataclass(frozen=True)
class Method:
    """A method to compare.

    Args:
        name: in the table.
        difference: `(case, setting)` to a map `(X, Y, Z)`, above 0 where denser than expected.
        settings: what is tried.
        finishes: what is tried on top, see `finish`; ours does both itself.
        unit: of a setting, for the table.
    """

    name: str
    difference: Callable[[Scan, Any], np.ndarray]
    settings: tuple = (None,)
    finishes: tuple[Finish, ...] = _FINISHES
    unit: str = ""

    def describe(self, setting: Any, finish: Finish) -> str:
        """The setting in words."""
        words = [] if setting is None else [f"{setting:g}{self.unit}"]
        if len(self.finishes) > 1:
            words += [f"smoothing {finish.smoothing:g} mm", f"erosion {finish.erosion:g} mm"]
        return ", ".join(words) or "default"


def make_method(name: str, references: Sequence[Scan], weights: Path | None) -> Method:
    """A method by its name.

    Args:
        name: one of `METHODS`.
        references: healthy volumes, for PaDiM.
        weights: of the foundation; None for those of the bundle.

    Raises:
        InputError: unknown name, or weights that cannot be used.
    """
    if name == "zscore":
        return Method(name, lambda case, _: zscore(case))
    if name == "blur":
        return Method(name, blur, (5.0, 10.0, 20.0, 40.0), unit=" mm")
    if name == "padim":
        return Method(name, PaDiM(_network(weights), references).distance, (50, 250), unit=" = t")
    if name == "ours":
        return Method(name, cache(_ours(_network(weights))), finishes=(Finish(),))
    raise InputError(f"Unknown method {name!r}: use {', '.join(METHODS)}.")


def _network(weights: Path | None) -> CTDenoiser:
    return load_weights(CTDenoiser(), weights or BUNDLES / "ct_foundation" / "models" / "model.pt")


def _ours(network: CTDenoiser) -> Callable[[Scan, None], np.ndarray]:
    """The inferer of `bundles/ct_anomaly_detection`; its signed map, the polarity comes afterwards."""

    def difference(case: Scan, _: None) -> np.ndarray:
        options = {"region": case.region, "polarity": "bright"}
        (inferer,) = bundle_parts("ct_anomaly_detection", ("inferer",), **options)
        with torch.no_grad():
            return np.asarray(inferer(case.inputs(case.hu, case.organ), network))[0, 0]

    return difference
