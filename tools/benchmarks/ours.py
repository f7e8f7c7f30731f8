"""Our denoising bundle as a method of the benchmark."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from benchmarks.bundle import bundle_parts
from benchmarks.cases import Case
from monai.data import MetaTensor

from meddiff_core.conditions.regions import region_window
from meddiff_core.conditions.window_edge import restore_outside_window


def ours(case: Case, steps: int) -> tuple[Callable[[], np.ndarray], str]:
    """The bundle in `steps` steps, told the true noise level. Loading the weights is not timed."""
    _inferer_and_network(case.region, case.sigma_hu, steps)
    return (
        lambda: denoise_with_bundle(case.noisy, case.affine, case.region, case.sigma_hu, steps),
        "true sigma",
    )


def denoise_with_bundle(
    noisy_hu: np.ndarray, affine: np.ndarray, region: str, noise_level_hu: float, steps: int
) -> np.ndarray:
    """Denoise a block in process with the inferer and the network of `bundles/ct_denoising`.

    Args:
        noisy_hu: block `(X, Y, Z)` in HU, RAS axes.
        affine: of the block, `(4, 4)`.
        region: region name.
        noise_level_hu: standard deviation of the noise in HU.
        steps: sampling steps.

    Returns:
        Denoised block `(X, Y, Z)` in HU, with what lies outside the window as it was.
    """
    window = region_window(region)
    inferer, network = _inferer_and_network(region, noise_level_hu, steps)
    noisy = torch.as_tensor(noisy_hu, dtype=torch.float32)
    inputs = MetaTensor(window.to_unit(noisy)[None, None], affine=torch.as_tensor(affine))
    with torch.no_grad():
        prediction = torch.as_tensor(inferer(inputs, network))[0, 0].cpu()
    return restore_outside_window(prediction, noisy, window, noise_level_hu).numpy()


def _inferer_and_network(region: str, noise_level_hu: float, steps: int) -> tuple:
    options = {"region": region, "noise_level": noise_level_hu, "steps": steps}
    return bundle_parts("ct_denoising", **options)
