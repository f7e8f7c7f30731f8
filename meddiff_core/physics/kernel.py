"""What a reconstruction kernel and a slice profile do to noise."""

from __future__ import annotations

import numpy as np

SLICE_SIGMA_MM = 1.5 / 2.355
"""Standard deviation of a slice of 1.5 mm full width at half maximum; thin-slice protocols have 1 to 2 mm."""
_PEAK = 0.2  # cycles/mm, a soft body kernel; see `apodisation`


def apodisation(frequency, spacing: float):
    """Gaussian that the reconstruction kernel multiplies the ramp by.

    The noise power `f * apodisation(f)^2` peaks at 0.2 / mm. On grids coarser than 1 mm the peak moves to 0.4
    of the Nyquist frequency, as if the kernel had been chosen for that grid.

    Args:
        frequency: array in cycles/mm.
        spacing: in-plane voxel size in mm.
    """
    peak = _PEAK / max(1.0, spacing)
    return np.exp(-((frequency / (2 * peak)) ** 2))
