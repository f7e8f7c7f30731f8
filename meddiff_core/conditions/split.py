"""Split a whole-body scan into head and neck, chest and abdomen along z, from its anatomy labels."""

from __future__ import annotations

import numpy as np

from meddiff_core.conditions.vocabulary import BODY, COARSE_OF, LABEL_REGIONS, NUM_LABELS, label_id

# A slice belongs to an organ from this share of the organ's largest slice on: stray voxels do not count.
_PRESENT = 0.02


def split_regions(anatomy: np.ndarray) -> dict[str, slice]:
    """Extent of each region that the scan shows; they overlap where the anatomy does.

    Head and neck reach from the top of the lungs (or the lowest organ of their own) upwards, the chest is the
    extent of the lungs, the abdomen reaches from the dome of the liver (or of the highest organ of its own)
    down to the lower end of the hip bones.

    Args:
        anatomy: labels of the vocabulary `(X, Y, Z)`, the last axis pointing to the head (RAS).

    Returns:
        Region name to slice along the last axis, from head to abdomen; what is not there is left out.
    """
    counts = _counts_per_slice(np.asarray(anatomy))
    regions: dict[str, slice] = {}
    chest = _extent(counts, np.flatnonzero(label_id("lung") == COARSE_OF))
    head = _extent(counts, _own_labels("head_neck"))
    abdomen = _extent(counts, _own_labels("abdomen"))
    if head:
        start = min(head.start, chest.stop) if chest else head.start
        regions["head_neck"] = slice(start, counts.shape[1])
    if chest:
        regions["chest"] = chest
    if abdomen:
        hips = _extent(counts, [label_id("hip_left"), label_id("hip_right")])
        regions["abdomen"] = slice(hips.start if hips else abdomen.start, abdomen.stop)
    return regions


def _counts_per_slice(anatomy: np.ndarray) -> np.ndarray:
    """Voxels of each label in each slice, `(NUM_LABELS, Z)`."""
    slices = (anatomy[:, :, k].astype(np.int64).ravel() for k in range(anatomy.shape[2]))
    return np.stack([np.bincount(labels, minlength=NUM_LABELS) for labels in slices], axis=1)


def _own_labels(region: str) -> list[int]:
    """TotalSegmentator classes that lie in no other region."""
    return [label for label, regions in LABEL_REGIONS.items() if regions == (region,) and 0 < label < BODY]


def _extent(counts: np.ndarray, labels) -> slice | None:
    """Slices that hold any of `labels`, from the first to the last."""
    counts = counts[labels]
    present = np.flatnonzero((counts > _PRESENT * counts.max(axis=1, keepdims=True)).any(axis=0))
    return slice(int(present[0]), int(present[-1]) + 1) if present.size else None
