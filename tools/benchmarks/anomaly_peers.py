"""The anomaly methods that ours is compared with, without a network.

Each gives a map `(X, Y, Z)` that is above 0 where the case is denser than expected. Smoothing and polarity
come afterwards and are the same for all.
"""

from __future__ import annotations

import numpy as np
from benchmarks.scans import Scan

from meddiff_core.inferers.anomaly import organ_mean


def zscore(case: Scan) -> np.ndarray:
    """Difference to the organ's mean, in standard deviations of the organ."""
    hu = in_window(case)
    return (hu - hu[case.organ].mean()) / hu[case.organ].std()


def blur(case: Scan, width: float) -> np.ndarray:
    """Difference in HU to a Gaussian mean of `width` mm over the organ's voxels."""
    hu = in_window(case)
    return hu - organ_mean(hu, case.organ, case.spacing, width)


def in_window(case: Scan) -> np.ndarray:
    """HU clipped to the region's HU window, which is all that the network sees."""
    return np.clip(case.hu, case.hu_window.lower, case.hu_window.upper)
