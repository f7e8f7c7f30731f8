"""Multi-scale structural similarity of CT volumes, thin ones included."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from monai.metrics import MultiScaleSSIMMetric

from meddiff_core.conditions.regions import WIDEST_WINDOW, HUWindow
from meddiff_core.errors import InputError

# Wang et al., 2003, the default of MONAI's metric.
_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
# As in MONAI's tutorials on generative models; 11 takes minutes on a CT and needs 176 voxels per axis.
_KERNEL = 4


def ms_ssim_levels(shape: Sequence[int]) -> int:
    """Scales that a volume of `shape` allows: 5 from 64 voxels along its thinnest axis on, 4 from 36, 3 from
    16, 2 from 8 (MONAI's own limits). Raises `InputError` for less than 4 voxels.
    """
    if min(shape) < _KERNEL:
        raise InputError(
            f"MS-SSIM needs at least {_KERNEL} voxels along each axis, the volume has {tuple(shape)}."
        )
    levels = range(1, len(_WEIGHTS) + 1)
    return max(n for n in levels if min(shape) >= _KERNEL * max((n - 1) ** 2, 2 ** (n - 1)))


def ms_ssim(generated: np.ndarray, real: np.ndarray, hu_window: HUWindow = WIDEST_WINDOW) -> float:
    """MS-SSIM by MONAI's `MultiScaleSSIMMetric`, both volumes clipped to the window and scaled to [0, 1].

    A thin volume gets fewer scales (`ms_ssim_levels`), their weights scaled to a sum of 1: values of
    volumes with different numbers of scales are not comparable.

    Args:
        generated: CT `(X, Y, Z)` in HU.
        real: CT `(X, Y, Z)` in HU.
        hu_window: HU window.

    Raises:
        InputError: fewer than 4 voxels along an axis.
    """
    weights = np.array(_WEIGHTS[: ms_ssim_levels(real.shape)])
    metric = MultiScaleSSIMMetric(
        spatial_dims=3, data_range=1.0, kernel_size=_KERNEL, weights=(weights / weights.sum()).tolist()
    )
    return float(metric(_scaled(generated, hu_window), _scaled(real, hu_window)))


def _scaled(hu: np.ndarray, hu_window: HUWindow) -> torch.Tensor:
    scaled = np.clip((hu - hu_window.lower) / hu_window.width, 0, 1).astype(np.float32)
    return torch.from_numpy(scaled)[None, None]
