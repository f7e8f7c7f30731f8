"""An anatomy map as it would be without the lesions that it shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy import ndimage

from meddiff_core.conditions.boxes import Box, widened


def healthy_labels(
    labels: np.ndarray, lesion: np.ndarray, margin: float, spacing: Sequence[float]
) -> np.ndarray:
    """Give every voxel of a lesion the label of the nearest voxel outside of all lesions.

    Args:
        labels: ids of the vocabulary `(X, Y, Z)`.
        lesion: bool, same shape. Where nothing is outside, the labels stay.
        margin: how far around the lesions labels are replaced, too, in mm.
        spacing: voxel size in mm.

    Returns:
        a changed copy of `labels`.
    """
    result = labels.copy()
    reach = 1 + max(int(margin // step) for step in spacing)
    for around in ndimage.find_objects(lesion.astype(np.uint8)):  # one box, or none without a lesion
        around = widened(around, reach)
        near, healed = lesion[around], result[around]
        grown = near.copy()
        for _, box in _parts(near, reach):
            # Not a dilation: a ball of many small voxels would not fit into memory.
            grown[box] |= ndimage.distance_transform_edt(~near[box], spacing) <= margin
        for part, box in _parts(grown, 1):
            if not grown[box].all():
                nearest = ndimage.distance_transform_edt(
                    grown[box], spacing, return_distances=False, return_indices=True
                )
                healed[box][part] = labels[around][box][tuple(index[part] for index in nearest)]
    return result


def _parts(mask: np.ndarray, pad: int) -> Iterator[tuple[np.ndarray, Box]]:
    """Each connected component: where it is within its box, and that box of the volume."""
    parts, _ = ndimage.label(mask)
    for part, box in enumerate(ndimage.find_objects(parts), start=1):
        box = widened(box, pad)
        yield parts[box] == part, box
