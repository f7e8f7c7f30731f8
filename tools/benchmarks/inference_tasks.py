"""What the levers are tried on: a scan with simulated noise to denoise, and its anatomy to make a CT from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any

import numpy as np
import torch
from benchmarks.bundle import bundle_parts
from benchmarks.cases import Case, make_case
from benchmarks.scans import Scan
from monai.data import MetaTensor

from meddiff_core.conditions.coarse import coarse_labels
from meddiff_core.conditions.window_edge import restore_outside_window
from meddiff_core.inferers.volume_inferer import VolumeInferer
from meddiff_core.inferers.windowed import Network
from meddiff_core.metrics.hu_by_class import hu_by_class
from meddiff_core.metrics.image_quality import psnr
from meddiff_core.metrics.seams import seam_index

NOISE_LEVEL = 0.15
"""In [-1, 1], as in the denoising benchmark."""

_PARTS = ("inferer", "network", "presets")


@dataclass(frozen=True)
class Task:
    """One volume and what is done with it.

    Args:
        name: denoising or synthesis.
        inferer: the bundle's.
        network: the bundle's, with its weights.
        inputs: of the inferer, `(1, C, X, Y, Z)`.
        quality: numbers of a result, given the windows of its grid.
        presets: the bundle's, options by name.
    """

    name: str
    inferer: VolumeInferer
    network: Network
    inputs: MetaTensor
    quality: Callable[[torch.Tensor, Sequence], dict[str, Any]]
    presets: dict[str, dict[str, Any]]


def denoising_task(scan: Scan) -> Task:
    """Take white noise from a clean scan, told its level; quality is PSNR in the region's window."""
    case = make_case(scan, "white", NOISE_LEVEL, None, seed=0)
    options = {"region": scan.region, "noise_level": case.sigma_hu}
    inferer, network, presets = bundle_parts("ct_denoising", _PARTS, **options)
    inputs = case.window.to_unit(torch.as_tensor(case.noisy))
    inputs = MetaTensor(inputs[None, None], affine=torch.as_tensor(case.affine))
    inferer.progress = False

    def quality(result: torch.Tensor, windows: Sequence) -> dict[str, Any]:
        return {"psnr": _psnr(case, torch.as_tensor(result)[0, 0].cpu()), "psnr_noisy": _psnr(case)}

    return Task("denoising", inferer, network, inputs, quality, presets)


def synthesis_task(scan: Scan) -> Task:
    """Make a CT from the scan's coarse anatomy; quality is the error of HU per class, and the seams."""
    anatomy = coarse_labels(scan.hu, np.linalg.norm(scan.affine[:3, :3], axis=0))
    inferer, network, presets = bundle_parts("ct_synthesis", _PARTS, region=scan.region)
    inputs = MetaTensor(torch.as_tensor(anatomy)[None, None].float(), affine=torch.as_tensor(scan.affine))
    inferer.progress = False

    def quality(result: torch.Tensor, windows: Sequence) -> dict[str, Any]:
        hu = torch.as_tensor(result)[0, 0].cpu().numpy()
        classes = hu_by_class(hu, scan.hu, anatomy)
        differences = [abs(mean["difference"]) for mean in classes.values()]
        return {
            "hu_error": float(np.mean(differences)) if differences else None,
            "hu_by_class": classes,
            "seam_index": _seam_index(hu, windows, anatomy > 0),
            "seam_index_real": _seam_index(scan.hu, windows, anatomy > 0),
        }

    return Task("synthesis", inferer, network, inputs, quality, presets)


TASKS: dict[str, Callable[[Scan], Task]] = {"denoising": denoising_task, "synthesis": synthesis_task}


def enlarged(scan: Scan, shape: Sequence[int]) -> Scan:
    """The scan on another grid of the same extent, by the nearest voxel: as much air and body as before."""
    index = [np.arange(n) * old // n for n, old in zip(shape, scan.hu.shape, strict=True)]
    scale = np.divide(scan.hu.shape, shape)
    return scan._replace(hu=scan.hu[np.ix_(*index)], affine=scan.affine @ np.diag([*scale, 1.0]))


def _psnr(case: Case, prediction: torch.Tensor | None = None) -> float:
    """Of a prediction in [-1, 1], or of the noisy image."""
    noisy = torch.as_tensor(case.noisy)
    hu = noisy
    if prediction is not None:
        hu = restore_outside_window(prediction, noisy, case.window, case.sigma_hu)
    return round(psnr(hu.numpy(), case.clean, case.window), 3)


def _seam_index(hu: np.ndarray, windows: Sequence, mask: np.ndarray) -> float | None:
    value = seam_index(hu, windows, mask)
    return None if isnan(value) else value
