"""PSNR and SSIM of axial slices: how thin slices that were computed are compared with real ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from meddiff_core.conditions.regions import HUWindow
from meddiff_core.metrics.image_quality import psnr, ssim


def slice_psnr(prediction: np.ndarray, reference: np.ndarray, hu_window: HUWindow) -> float:
    """Mean over the axial slices of their `image_quality.psnr`.

    Slices in which the reference shows nothing in the HU window, such as air alone, do not count.

    Args:
        prediction: volume `(X, Y, Z)` in HU, axial slices along the last axis.
        reference: volume `(X, Y, Z)` in HU.
        hu_window: HU window.

    Returns:
        dB; nan where no slice counts.
    """
    return _mean_over_slices(psnr, prediction, reference, hu_window)


def slice_ssim(prediction: np.ndarray, reference: np.ndarray, hu_window: HUWindow) -> float:
    """Mean over the axial slices of their 2-D `image_quality.ssim`; slices and arguments as in `slice_psnr`.

    Raises:
        InputError: fewer than 11 voxels along an axis of a slice.
    """
    return _mean_over_slices(ssim, prediction, reference, hu_window)


def _mean_over_slices(
    metric: Callable[..., float], prediction: np.ndarray, reference: np.ndarray, hu_window: HUWindow
) -> float:
    shown = np.ptp(np.clip(reference, hu_window.lower, hu_window.upper), axis=(0, 1)) > 0
    slices = np.flatnonzero(shown)
    values = [metric(prediction[..., k], reference[..., k], hu_window) for k in slices]
    return float(np.mean(values)) if values else float("nan")
