"""Whether the organs of an anatomy map have volumes that people have: maps with other numbers do not."""

from __future__ import annotations

import logging
from typing import NamedTuple

import numpy as np

from meddiff_core.conditions.vocabulary import LABELS, label_id

logger = logging.getLogger("meddiff")

# A body this wide is an adult's, or nearly.
_ADULT_MM = 250.0
# The smallest newborns have this share of the reference volume.
_SMALLEST_NEWBORN = 0.5


class _Organ(NamedTuple):
    """Reference volumes of a newborn and of a man in ml, and the multiples of the man's that disease reaches.

    Masses of ICRP Publication 89 (2002, table 2.8) at 1 g/ml; half of it where the table has a pair. Lungs:
    total capacity of a man there; at most that of a man of 190 cm and 1.6 deviations (Quanjer et al., Eur
    Respir J 1993, 6 Suppl 16); at least one lung, breathed out. Liver: resection leaves a quarter. Spleen:
    it is called massive from 1000 ml.
    """

    names: tuple[str, ...]
    newborn: float
    adult: float
    largest: float = 3.0
    smallest: float = 0.1


_ORGANS = {
    "liver": _Organ(("liver",), 130, 1800, 3, 0.25),
    "spleen": _Organ(("spleen",), 9.5, 150, 8),
    "right kidney": _Organ(("kidney_right",), 12, 155),
    "left kidney": _Organ(("kidney_left",), 12, 155),
    "pancreas": _Organ(("pancreas",), 6, 140),
    "right adrenal gland": _Organ(("adrenal_gland_right",), 3, 7, 5),
    "left adrenal gland": _Organ(("adrenal_gland_left",), 3, 7, 5),
    "heart": _Organ(("heart",), 46, 840),
    "brain": _Organ(("brain",), 380, 1450, 1.5, 0.5),
    "lungs": _Organ(
        (*(name for name in LABELS.values() if name.startswith("lung_") and "lobe" in name), "lung"),
        60,
        6980,
        1.3,
    ),
}


def implausible_volumes(anatomy: np.ndarray, affine: np.ndarray) -> list[str]:
    """Organs that are too large, or too small though they do not reach the border of the map.

    Args:
        anatomy: labels of the vocabulary, `(X, Y, Z)` in any orientation.
        affine: `(4, 4)`, voxel to mm.

    Returns:
        One phrase an organ, as "liver 60 ml (usual: 450 to 5400 ml)".
    """
    anatomy = np.asarray(anatomy).astype(np.uint8)
    voxel_ml = abs(np.linalg.det(np.asarray(affine, dtype=float)[:3, :3])) / 1000.0
    volumes = np.bincount(anatomy.ravel(), minlength=256) * voxel_ml
    faces = np.zeros(256, dtype=bool)
    for axis in range(3):
        for end in (0, -1):
            faces[np.unique(anatomy.take(end, axis))] = True
    adult = _widest_mm(anatomy > 0, affine) > _ADULT_MM
    found = []
    for title, organ in _ORGANS.items():
        ids = [label_id(name) for name in organ.names]
        volume, cut = volumes[ids].sum(), faces[ids].any()
        low = organ.smallest * organ.adult if adult else _SMALLEST_NEWBORN * organ.newborn
        high = organ.largest * organ.adult
        if volume > high or (0 < volume < low and not cut):
            found.append(f"{title} {volume:.0f} ml (usual: {low:.0f} to {high:.0f} ml)")
    return found


def warn_of_volumes(anatomy: np.ndarray, affine: np.ndarray, name: str) -> None:
    """One line for a map with implausible volumes; `name` begins it."""
    found = implausible_volumes(anatomy, affine)
    if found:
        logger.warning(
            "%s: %s. That is an unlikely size: look whether the numbers are those of TotalSegmentator v2 "
            "(other tools count in another order).",
            name,
            ", ".join(found),
        )


def _widest_mm(body: np.ndarray, affine: np.ndarray) -> float:
    """Largest extent of the body along an axis other than the head's: the width of the trunk."""
    world = np.asarray(affine, dtype=float)[:3, :3]
    up = np.abs(world[2]).argmax()
    extents = [
        np.ptp(np.flatnonzero(body.any(axis=tuple(a for a in range(3) if a != axis))))
        * np.linalg.norm(world[:, axis])
        for axis in range(3)
        if axis != up and body.any()
    ]
    return max(extents, default=0.0)
