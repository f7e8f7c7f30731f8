"""The anomaly methods that ours is compared with, without a network.

Each gives a map `(X, Y, Z)` that is above 0 where the case is denser than expected. Smoothing and polarity
come afterwards and are the same for all.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from benchmarks.anomaly_cases import AnomalyCase
from scipy import ndimage


def zscore(case: AnomalyCase) -> np.ndarray:
    """Difference to the organ's mean, in standard deviations of the organ."""
    hu = in_window(case)
    return (hu - hu[case.organ].mean()) / hu[case.organ].std()


def blur(case: AnomalyCase, width: float) -> np.ndarray:
    """Difference in HU to a Gaussian mean of `width` mm over the organ's voxels."""
    hu = in_window(case)
    return hu - organ_gaussian(hu, case.organ, case.spacing, width)


def in_window(case: AnomalyCase) -> np.ndarray:
    """HU clipped to the region's window, which is all that the network sees."""
    return np.clip(case.hu, case.window.lower, case.window.upper)


def organ_gaussian(
    values: np.ndarray, organ: np.ndarray, spacing: Sequence[float], width: float
) -> np.ndarray:
    """Gaussian mean over the organ's voxels alone (normalised convolution), 0 outside it.

    Args:
        values: `(X, Y, Z)`.
        organ: bool `(X, Y, Z)`.
        spacing: voxel size in mm.
        width: standard deviation in mm; 0 is none.
    """
    sigma = [width / step for step in spacing]
    weight = ndimage.gaussian_filter(organ.astype(np.float32), sigma)
    total = ndimage.gaussian_filter(np.where(organ, values, 0).astype(np.float32), sigma)
    return np.divide(total, weight, out=np.zeros_like(total), where=organ)
