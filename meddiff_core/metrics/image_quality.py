"""PSNR and SSIM of CT in a stated HU window."""

from __future__ import annotations

import numpy as np
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from meddiff_core.conditions.regions import HUWindow
from meddiff_core.errors import InputError

_SSIM_WIDTH = 11  # voxels across the Gaussian window of sigma 1.5 cut at 3.5 sigma (Wang et al., 2004)


def psnr(prediction: np.ndarray, reference: np.ndarray, hu_window: HUWindow) -> float:
    """Peak signal-to-noise ratio in dB: both clipped to the HU window, the window's width is the peak.

    Args:
        prediction: volume `(X, Y, Z)` in HU.
        reference: volume `(X, Y, Z)` in HU.
        hu_window: HU window.
    """
    prediction, reference = _scaled(prediction, hu_window), _scaled(reference, hu_window)
    with np.errstate(divide="ignore"):  # equal volumes: infinity, without a warning
        return float(peak_signal_noise_ratio(reference, prediction, data_range=1))


def ssim(prediction: np.ndarray, reference: np.ndarray, hu_window: HUWindow) -> float:
    """Structural similarity in 3-D: both clipped to the window and scaled to [0, 1].

    scikit-image with the settings of Wang et al. (2004): Gaussian weights of sigma 1.5, biased covariance,
    K1 = 0.01, K2 = 0.03. The mean leaves out the 5 voxels at each border.

    Args:
        prediction: volume `(X, Y, Z)` in HU.
        reference: volume `(X, Y, Z)` in HU.
        hu_window: HU window.

    Raises:
        InputError: fewer than 11 voxels along an axis.
    """
    if min(reference.shape) < _SSIM_WIDTH:
        raise InputError(
            f"SSIM needs at least {_SSIM_WIDTH} voxels along each axis, the volume has {reference.shape}."
        )
    mean = structural_similarity(
        _scaled(reference, hu_window),
        _scaled(prediction, hu_window),
        data_range=1,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    return float(mean)


def _scaled(hu: np.ndarray, hu_window: HUWindow) -> np.ndarray:
    return np.clip((hu - hu_window.lower) / hu_window.width, 0, 1).astype(np.float32)
