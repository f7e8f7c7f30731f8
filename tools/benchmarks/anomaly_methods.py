"""The anomaly methods by name, each at one setting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

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

# Best mean average precision over four training scans with a lesion (a nodule, a lung tumour, two sarcomas)
# at 2 mm, of 15 settings for the z-score and 60 for the blur residual; PaDiM's were not searched.
_BLUR_MM = 20.0
_PADIM_TIMESTEP = 50


class Finish(NamedTuple):
    """What is done to a map, in mm: smoothing within the organ after its surface has been taken off."""

    smoothing: float = 0.0
    erosion: float = 0.0


_NO_FINISH = Finish()


@dataclass(frozen=True)
class Method:
    """A method to compare.

    Args:
        name: in the table.
        difference: a case to a map `(X, Y, Z)`, above 0 where denser than expected.
        finish: what is done to it; ours does both itself.
        setting: in words.
    """

    name: str
    difference: Callable[[Scan], np.ndarray]
    finish: Finish = _NO_FINISH
    setting: str = "default"


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
        return _peer(name, zscore, Finish(smoothing=3, erosion=4))
    if name == "blur":
        return _peer(name, partial(blur, width=_BLUR_MM), Finish(smoothing=6, erosion=4), f"{_BLUR_MM:g} mm")
    if name == "padim":
        padim = PaDiM(_network(weights), references)
        return _peer(name, partial(padim.distance, timestep=_PADIM_TIMESTEP), Finish(smoothing=3, erosion=4))
    if name == "ours":
        return Method(name, cache(_ours(_network(weights))))
    raise InputError(f"Unknown method {name!r}: use {', '.join(METHODS)}.")


def _peer(name: str, difference: Callable[[Scan], np.ndarray], finish: Finish, width: str = "") -> Method:
    words = [f"smoothing {finish.smoothing:g} mm", f"erosion {finish.erosion:g} mm"]
    return Method(name, difference, finish, ", ".join([width] * bool(width) + words))


def _network(weights: Path | None) -> CTDenoiser:
    return load_weights(CTDenoiser(), weights or BUNDLES / "ct_foundation" / "models" / "model.pt")


def _ours(network: CTDenoiser) -> Callable[[Scan], np.ndarray]:
    """The inferer of `bundles/ct_anomaly_detection`; its signed map, the polarity comes afterwards."""

    def difference(case: Scan) -> np.ndarray:
        options = {"region": case.region, "polarity": "bright"}
        (inferer,) = bundle_parts("ct_anomaly_detection", ("inferer",), **options)
        with torch.no_grad():
            return np.asarray(inferer(case.inputs(case.hu, case.organ), network))[0, 0]

    return difference
