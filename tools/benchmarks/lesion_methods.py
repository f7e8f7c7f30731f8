"""The lesion methods by name, with the settings that are tried and the chance draws that are averaged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.bundle import bundle_parts
from benchmarks.lesion_peers import copy_and_blend, texture
from benchmarks.scans import Scan

from meddiff_core.errors import InputError

METHODS = ("copy", "texture", "ours")
_FEATHERS = (0.0, 1.5, 3.0, 6.0)  # mm


@dataclass(frozen=True)
class Method:
    """A method to compare.

    Args:
        name: in the table.
        make: `(case, setting, draw)` to a scan `(X, Y, Z)` in HU with a lesion in the mask.
        settings: what is tried, by its description.
        draws: a case to what is left to chance: donors or seeds.
    """

    name: str
    make: Callable[[Scan, Any, Any], np.ndarray]
    settings: dict[str, Any]
    draws: Callable[[Scan], Sequence]


def make_method(
    name: str, donors: Sequence[Scan], samples: int, seed: int, generation_root: Path | None
) -> Method:
    """A method by its name.

    Args:
        name: one of `METHODS`.
        donors: scans with lesions, for the peers.
        samples: draws of the methods that draw noise.
        seed: of the first of them.
        generation_root: bundle whose weights ours uses; None for ct_lesion_generation.

    Raises:
        InputError: unknown name.
    """

    def seeds(case: Scan) -> Sequence[int]:
        return range(seed, seed + samples)

    def of_region(case: Scan) -> list[Scan]:
        found = [donor for donor in donors if donor.is_reference_of(case)]
        if not found:
            raise InputError(f"{case.name} has no donor: add a {case.region} lesion of another patient.")
        return found

    if name == "copy":
        settings = {
            f"feather {feather:g} mm{', contrast kept' if match else ''}": (feather, match)
            for feather, match in product(_FEATHERS, (False, True))
        }
        return Method(
            name, lambda case, setting, donor: copy_and_blend(case, donor, *setting), settings, of_region
        )
    if name == "texture":
        settings = {
            f"grain {grain:g} mm, feather {feather:g} mm": (grain, feather)
            for grain, feather in product((0.5, 1.0, 2.0, 4.0), _FEATHERS)
        }
        return Method(
            name, lambda case, setting, draw: texture(case, of_region(case), *setting, draw), settings, seeds
        )
    if name == "ours":
        return Method(name, _ours(generation_root), {"default": None}, seeds)
    raise InputError(f"Unknown method {name!r}: use {', '.join(METHODS)}.")


def _ours(generation_root: Path | None) -> Callable[[Scan, None, int], np.ndarray]:
    """The inferer of `bundles/ct_lesion_inpainting`, which gets the scan without its lesion."""
    options = {"generation_root": str(generation_root)} if generation_root else {}

    def make(case: Scan, _: None, seed: int) -> np.ndarray:
        (network,) = bundle_parts("ct_lesion_inpainting", ("network",), **options)
        (inferer,) = bundle_parts("ct_lesion_inpainting", ("inferer",), region=case.region, seed=seed)
        with torch.no_grad():
            generated = np.asarray(inferer(case.inputs(case.without_lesion, case.lesion), network))[0, 0]
        return np.where(case.lesion, generated, case.hu)

    return make
