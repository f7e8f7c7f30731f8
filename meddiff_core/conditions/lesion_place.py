"""What a lesion that is put into an organ keeps clear of: bone, airways and vessels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from meddiff_core.conditions.vocabulary import COARSE_OF, LABELS, label_id

_VESSELS = (
    *("aorta", "pulmonary_vein", "atrial_appendage", "brachiocephalic", "subclavian", "common_carotid"),
    *("superior_vena_cava", "inferior_vena_cava", "portal_vein", "iliac_artery", "iliac_vena"),
)
_CLEAR = [
    label
    for label, name in LABELS.items()
    if COARSE_OF[label] in (label_id("bone"), label_id("airway_gas")) or name.startswith(_VESSELS)
]
# In a lung, vessels that stay denser than this under such a blur are some 4 mm thick or more. Thinner ones
# end in lesions of patients, too.
_VESSEL_HU, _BLUR_MM = -500.0, 1.5
# So far from its surface, what is dense in a lung is not the chest wall's partial volume.
_WALL_MM = 5.0


def keep_out(
    anatomy: np.ndarray, organ: np.ndarray, spacing: Sequence[float], hu: np.ndarray | None = None
) -> np.ndarray:
    """Where a lesion of an organ may not reach, bool `(X, Y, Z)`.

    Args:
        anatomy: labels of the vocabulary `(X, Y, Z)`; bone, airways and vessels outside of the organ count.
        organ: bool `(X, Y, Z)`.
        spacing: voxel size in mm.
        hu: the scan, for the vessels within a lung, which no map names.
    """
    taken = np.isin(anatomy, _CLEAR) & ~organ
    lung = organ & (COARSE_OF[anatomy] == label_id("lung"))
    for box in ndimage.find_objects(lung.astype(np.uint8)) if hu is not None else ():
        blurred = ndimage.gaussian_filter(hu[box].astype(np.float32), [_BLUR_MM / step for step in spacing])
        depth = ndimage.distance_transform_edt(lung[box], spacing)
        taken[box] |= lung[box] & (blurred > _VESSEL_HU) & (depth > _WALL_MM)
    return taken
