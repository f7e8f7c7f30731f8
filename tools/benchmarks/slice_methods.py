"""The ways to get thin slices from thick ones, ours beside interpolation.

A method prepares itself for a case (untimed) and returns a function without arguments that gives the thin
volume in HU (timed).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from benchmarks.bundle import bundle_parts
from benchmarks.degraded import Degraded
from monai.data import list_data_collate
from monai.transforms import Compose
from scipy.interpolate import make_interp_spline

from meddiff_core.errors import InputError
from meddiff_core.physics.slab_bounds import smooth_within_range
from meddiff_core.physics.slabs import SlabMeans
from meddiff_core.transforms.agree_with_slices import AgreeWithSlicesd
from meddiff_core.transforms.thin_slices import ThinSlicesd
from meddiff_core.transforms.windowing import RestoreHUd, ScaleHUd

_BUNDLE = "ct_super_resolution"
_PROJECTED = "_projected"


def slabs_of(case: Degraded) -> SlabMeans:
    """H, from the thin slices to the thick ones."""
    return case.layout.means(case.scan.hu.shape[-1])


def prepare(method: str, case: Degraded, weights: Path | None = None) -> Callable[[], np.ndarray]:
    """Function that makes the thin volume `(X, Y, Z)` in HU.

    Args:
        method: `nearest`, `trilinear`, `cubic`, each also with `_projected` at its end: the slab means are
            then made equal to the thick slices; `smooth`, the smoothest volume with these slab means, and
            `smooth_in_range`, the input of ours, the same within the range of the neighbours; or `ours_N`
            for our bundle in N steps.
        case: block and factor.
        weights: trained part of ours; default that of the bundle.

    Raises:
        InputError: unknown method.
    """
    name, _, steps = method.partition("_")
    if name == "ours" and steps.isdigit():
        return _ours(case, int(steps), weights)
    interpolate = _INTERPOLATIONS.get(method.removesuffix(_PROJECTED))
    if interpolate is None:
        known = ", ".join(_INTERPOLATIONS)
        raise InputError(
            f"Unknown method {method!r}: use {known}, one of these with {_PROJECTED}, or ours_N for N steps."
        )
    thick, slabs = torch.as_tensor(case.seen)[None], slabs_of(case)

    def run() -> np.ndarray:
        thin = interpolate(slabs, case, thick)
        return (slabs.correct(thin, thick) if method.endswith(_PROJECTED) else thin)[0].numpy()

    return run


def _cubic(slabs: SlabMeans, case: Degraded, thick: torch.Tensor) -> torch.Tensor:
    """Cubic spline through the slices' centres, constant beyond the outer ones."""
    n_thin, n_thick = case.scan.hu.shape[-1], thick.shape[-1]
    centres = (np.arange(n_thin) + 0.5) / case.layout.factor - 0.5
    spline = make_interp_spline(np.arange(n_thick), thick.numpy(), k=min(3, n_thick - 1), axis=-1)
    return torch.from_numpy(spline(centres.clip(0, n_thick - 1))).float()


_INTERPOLATIONS: dict[str, Callable[[SlabMeans, Degraded, torch.Tensor], torch.Tensor]] = {
    "nearest": lambda slabs, case, thick: slabs.repeat(thick),
    "trilinear": lambda slabs, case, thick: slabs.interpolate(thick),
    "cubic": _cubic,
    "smooth": lambda slabs, case, thick: slabs.upsample(thick),
    "smooth_in_range": lambda slabs, case, thick: smooth_within_range(thick, slabs),
}


def _ours(case: Degraded, steps: int, weights: Path | None) -> Callable[[], np.ndarray]:
    """The bundle in `steps` steps. Loading the weights is not timed."""
    options = {"region": case.scan.region, "steps": steps}
    if weights is not None:
        options["control_weights"] = str(weights)
    inferer, network = bundle_parts(_BUNDLE, **options)
    width = case.level * case.scan.spacing[2]
    thin = ThinSlicesd("image", like_key="label", slice_width=width, slices_key="slices")
    before = Compose([thin, ScaleHUd("image", case.scan.region)])
    after = Compose([RestoreHUd("pred"), AgreeWithSlicesd("pred")])

    def run() -> np.ndarray:
        item = before({"image": case.tensor, "label": case.scan.tensor})
        with torch.no_grad():
            pred = inferer(list_data_collate([{"image": item["image"]}])["image"], network)
        return after(item | {"pred": torch.as_tensor(pred)[0].cpu()})["pred"][0].numpy()

    return run
