"""What a reconstruction kernel and a slice profile do to noise."""

from __future__ import annotations

import numpy as np

SLICE_SIGMA_MM = 1.5 / 2.355
"""Standard deviation of a slice of 1.5 mm full width at half maximum; thin-slice protocols have 1 to 2 mm."""
KERNELS = {"smooth": 0.1, "standard": 0.2, "sharp": 0.4}
"""Frequency in cycles/mm at which a kernel's noise has most power: for brain, soft body, lung and bone."""


def apodisation(frequency, spacing: float, kernel: str = "standard"):
    """Gaussian that the reconstruction kernel multiplies the ramp by.

    The noise power `f * apodisation(f)^2` peaks at 0.2 / mm, of other kernels see `KERNELS`. On grids coarser
    than 1 mm the peak moves as if the kernel had been chosen for that grid, 0.2 / mm to 0.4 of the Nyquist
    frequency.

    Args:
        frequency: array in cycles/mm.
        spacing: in-plane voxel size in mm.
        kernel: one of `KERNELS`.
    """
    peak = KERNELS[kernel] / max(1.0, spacing)
    return np.exp(-((frequency / (2 * peak)) ** 2))
