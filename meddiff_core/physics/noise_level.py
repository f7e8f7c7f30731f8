"""How noisy a scan is, from the scan alone."""

from __future__ import annotations

import numpy as np
import pywt
import torch
from scipy import ndimage

_NORMAL_MAD = 0.6745  # median of |z| for a standard normal z
_FLATTEST = 0.25  # part of the volume that counts, by gradient
_ENOUGH_VOXELS = 2**25  # more would cost minutes and change nothing


def central_slab(volume: torch.Tensor) -> torch.Tensor:
    """The middle slices of `(..., X, Y, Z)`, as many as a good estimate needs; all of a smaller volume."""
    x, y, z = volume.shape[-3:]
    slices = min(z, max(1, _ENOUGH_VOXELS // (x * y)))
    return volume.narrow(-1, (z - slices) // 2, slices)


def estimate_noise_level(image: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Standard deviation of the noise in a volume, by the median of its finest wavelet details.

    Donoho and Johnstone's estimate ("Ideal spatial adaptation by wavelet shrinkage", 1994) with the wavelet
    db2 in 3-D, changed in two ways, because the noise of CT is correlated. It is the root mean square over
    all seven detail bands: the finest (`ddd`) alone sees 0.6 of noise with the spectrum of CT, and 0.4 where
    the slices are 1 mm apart. And only the flattest quarter of the volume counts, since anatomy shows in the
    other bands; flat is judged by the approximation band, which leaves the details of white noise unbiased.

    Measured inside the body on six scans, with 135 HU added: white 1.00 to 1.04 of that, CT-like 0.95 to 0.98
    (slices of 2.5 mm or more) and 0.88 (1 mm). What the scan held before is part of the answer: 5 to 29 HU
    there, so that 27 HU added on the noisiest came out as 42.

    Args:
        image: volume `(X, Y, Z)`, any unit (the result has the same), not yet clipped to a narrow window.
        mask: voxels to look at, bool `(X, Y, Z)`. Give the body, because air is flat and quieter.
            Default: all. Voxels at the very minimum or maximum never count: they are padding, or clipped.

    Returns:
        The estimate; 0 where no voxel is left to look at.
    """
    image = np.asarray(image, dtype=np.float32)
    inside = (image > image.min()) & (image < image.max())
    if mask is not None:
        inside &= np.asarray(mask, dtype=bool)
    # A coefficient of db2 reaches over four voxels per axis; all of them must be inside.
    inside = ndimage.minimum_filter(inside, size=5)[::2, ::2, ::2]
    if not inside.any():
        return 0.0
    bands = pywt.dwtn(image, "db2", mode="periodization")
    gradient = ndimage.gaussian_gradient_magnitude(bands.pop("aaa"), sigma=1)
    flat = inside & (gradient <= np.quantile(gradient[inside], _FLATTEST))
    levels = [np.median(np.abs(details[flat])) / _NORMAL_MAD for details in bands.values()]
    return float(np.sqrt(np.mean(np.square(levels))))
