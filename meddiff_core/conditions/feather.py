"""A mask with a soft edge."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage


def feathered(mask: np.ndarray, spacing: Sequence[float], width: float) -> np.ndarray:
    """A mask that rises from one half at its border inwards; outside it is 0.

    So each voxel within is more of the mask than of what is outside. The volume's end is no border.

    Args:
        mask: bool `(X, Y, Z)`.
        spacing: voxel size in mm.
        width: depth in mm at which 1 is reached, measured from the nearest voxel outside; 0 is the mask
            itself. Where no voxel lies as deep, less than 1 is reached.

    Returns:
        float32 `(X, Y, Z)`, 0 outside and 0.5 to 1 within.
    """
    if width == 0 or mask.all():
        return mask.astype(np.float32)
    depth = ndimage.distance_transform_edt(mask, spacing)
    return np.where(mask, np.clip((1 + depth / width) / 2, 0, 1), 0).astype(np.float32)
