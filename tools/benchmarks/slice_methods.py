"""The ways to get thin slices from thick ones, ours beside interpolation.

A method prepares itself for a `SliceCase` (untimed) and returns a function without arguments that gives the
thin volume in HU (timed).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from benchmarks.bundle import bundle_parts
from benchmarks.cases import central_block
from benchmarks.scans import Scan
from monai.data import MetaTensor, list_data_collate
from monai.transforms import Compose
from scipy.interpolate import make_interp_spline

from meddiff_core.conditions.regions import HUWindow, region_window
from meddiff_core.errors import InputError
from meddiff_core.physics.slab_layout import SlabLayout
from meddiff_core.physics.slabs import SlabMeans
from meddiff_core.transforms.simulated_slices import SimulateThickSlicesd
from meddiff_core.transforms.thin_slices import AgreeWithSlicesd, ThinSlicesd, layout_between
from meddiff_core.transforms.windowing import RestoreHUd, ScaleHUd

_BUNDLE = "ct_super_resolution"
_PROJECTED = "_projected"


@dataclass(frozen=True)
class SliceCase:
    """One block with simulated thick slices.

    Args:
        volume: name of the scan.
        region: region whose window counts.
        thin: the real slices, `(1, X, Y, Z)` in HU, RAS axes, whole slabs.
        thick: their means, rounded to whole HU as a scanner stores them.
        layout: how the thick slices lie on the grid of the thin ones.
    """

    volume: str
    region: str
    thin: MetaTensor
    thick: MetaTensor
    layout: SlabLayout

    @property
    def window(self) -> HUWindow:
        """HU window of the region."""
        return region_window(self.region)

    @property
    def slabs(self) -> SlabMeans:
        """H, from the thin slices to the thick ones."""
        return self.layout.means(self.thin.shape[-1])


def make_slice_case(scan: Scan, factor: int, block: tuple[int, int, int] | None) -> SliceCase:
    """Cut the central block to whole slabs and take their means.

    Args:
        scan: thin scan.
        factor: thin slices per thick one.
        block: voxels per axis, cut to the scan where that is smaller; None for the whole scan.
    """
    start, size = central_block(scan.hu, block or scan.hu.shape)
    cut = scan.hu[tuple(slice(first, first + n) for first, n in zip(start, size, strict=True))]
    affine = scan.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ start
    image = MetaTensor(torch.as_tensor(cut)[None].float(), affine=affine, meta={"filename_or_obj": scan.name})
    pair = SimulateThickSlicesd("image", factor)({"image": image})
    thin, thick = pair["label"], pair["image"].round()
    return SliceCase(scan.name, scan.region, thin, thick, layout_between(thick, thin))


def prepare(method: str, case: SliceCase, weights: Path | None = None) -> Callable[[], np.ndarray]:
    """Function that makes the thin volume `(X, Y, Z)` in HU.

    Args:
        method: `nearest`, `trilinear`, `cubic`, each also with `_projected` at its end: the slab means are
            then made equal to the thick slices; `smooth`, the input of ours, whose slab means are equal
            already; or `ours_N` for our bundle in N steps.
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
    thick = case.thick.as_tensor()

    def run() -> np.ndarray:
        thin = interpolate(case, thick)
        return (case.slabs.correct(thin, thick) if method.endswith(_PROJECTED) else thin)[0].numpy()

    return run


def _cubic(case: SliceCase, thick: torch.Tensor) -> torch.Tensor:
    """Cubic spline through the slices' centres, constant beyond the outer ones."""
    n_thin, n_thick = case.thin.shape[-1], thick.shape[-1]
    centres = (np.arange(n_thin) + 0.5) / case.layout.factor - 0.5
    spline = make_interp_spline(np.arange(n_thick), thick.numpy(), k=min(3, n_thick - 1), axis=-1)
    return torch.from_numpy(spline(centres.clip(0, n_thick - 1))).float()


_INTERPOLATIONS: dict[str, Callable[[SliceCase, torch.Tensor], torch.Tensor]] = {
    "nearest": lambda case, thick: case.slabs.repeat(thick),
    "trilinear": lambda case, thick: case.slabs.interpolate(thick),
    "cubic": _cubic,
    "smooth": lambda case, thick: case.slabs.upsample(thick),
}


def _ours(case: SliceCase, steps: int, weights: Path | None) -> Callable[[], np.ndarray]:
    """The bundle in `steps` steps. Loading the weights is not timed."""
    options = {"region": case.region, "steps": steps}
    if weights is not None:
        options["control_weights"] = str(weights)
    inferer, network = bundle_parts(_BUNDLE, **options)
    before = Compose([ThinSlicesd("image", like_key="label"), ScaleHUd("image", case.region)])
    after = Compose([RestoreHUd("pred"), AgreeWithSlicesd("pred")])

    def run() -> np.ndarray:
        item = before({"image": case.thick, "label": case.thin})
        with torch.no_grad():
            pred = inferer(list_data_collate([{"image": item["image"]}])["image"], network)
        return after(item | {"pred": torch.as_tensor(pred)[0].cpu()})["pred"][0].numpy()

    return run
