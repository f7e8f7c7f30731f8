"""Which lesions are found at a number of false findings per scan (free-response ROC)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import pi, prod

import numpy as np
from monai.metrics import compute_fp_tp_probs_nd
from scipy import ndimage
from skimage.measure import label

FALSE_FINDINGS = (1, 2, 4, 8)
"""False findings per scan at which the sensitivity is told."""

SIZES_MM = {"below 10 mm": (0.0, 10.0), "10 to 20 mm": (10.0, 20.0), "20 mm and more": (20.0, np.inf)}
"""Groups of lesions by the diameter of a ball of their volume."""

_APART_MM = 10.0
_FACES_EDGES_AND_CORNERS = np.ones((3, 3, 3), dtype=bool)


@dataclass(frozen=True)
class ScanFindings:
    """What a map finds in one scan.

    Args:
        false: scores of the findings outside all lesions, `(N,)`.
        lesions: score of each lesion's highest finding, `(M,)`; 0 where it has none.
        diameters: of the lesions in mm, `(M,)`, each that of a ball of the lesion's volume.
    """

    false: np.ndarray
    lesions: np.ndarray
    diameters: np.ndarray


def find_peaks(
    score_map: np.ndarray, organ: np.ndarray, spacing: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Findings: the voxels above 0 that no other within 10 mm along each axis exceeds.

    Args:
        score_map: `(X, Y, Z)`, higher = more anomalous.
        organ: where the map counts, bool `(X, Y, Z)`.
        spacing: voxel size in mm.

    Returns:
        Voxels `(N, 3)` and scores `(N,)`. Neighbours with the same score are one finding.
    """
    scores = np.where(organ, score_map, 0)
    size = [2 * round(_APART_MM / step) + 1 for step in spacing]
    peaks, count = ndimage.label(
        (scores > 0) & (scores == ndimage.maximum_filter(scores, size, mode="nearest")),
        _FACES_EDGES_AND_CORNERS,
    )
    if not count:
        return np.zeros((0, 3), dtype=int), np.zeros(0)
    voxels = np.array(ndimage.maximum_position(scores, peaks, range(1, count + 1)))
    return voxels, scores[tuple(voxels.T)]


def scan_findings(
    score_map: np.ndarray, lesion: np.ndarray, organ: np.ndarray, spacing: Sequence[float]
) -> ScanFindings:
    """Findings of a map against the lesions, each a connected part of `lesion`; arguments as `find_peaks`.

    A lesion that the organ does not reach is never found.
    """
    voxels, scores = find_peaks(score_map, organ, spacing)
    lesions = label(lesion)
    false, found, _ = compute_fp_tp_probs_nd(scores, voxels, lesions)
    volumes = np.bincount(lesions.ravel())[1:] * prod(spacing)
    return ScanFindings(false, found, (6 * volumes / pi) ** (1 / 3))


def sensitivity(scans: Sequence[ScanFindings], false_findings: float, size: str | None = None) -> float:
    """Share of the lesions that score above all but `false_findings` false findings per scan.

    Args:
        scans: at least one.
        false_findings: the mean over the scans.
        size: one of `SIZES_MM`; None for all lesions.

    Returns:
        0 to 1; nan where there is no such lesion.
    """
    false = np.sort(np.concatenate([scan.false for scan in scans]))[::-1]
    allowed = int(false_findings * len(scans))
    limit = false[allowed] if allowed < false.size else 0.0
    low, high = (0.0, np.inf) if size is None else SIZES_MM[size]
    scores, diameters = (
        np.concatenate(p) for p in zip(*((s.lesions, s.diameters) for s in scans), strict=True)
    )
    scores = scores[(diameters >= low) & (diameters < high)]
    return float((scores > limit).mean()) if scores.size else float("nan")
