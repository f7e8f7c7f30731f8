"""Whether a generated CT shows the anatomy that was asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from monai.metrics import compute_dice

from meddiff_core.conditions.coarse import coarse_labels
from meddiff_core.conditions.vocabulary import COARSE_OF, label_id

Segmenter = Callable[[np.ndarray, Sequence[float]], np.ndarray]
"""`segment(hu, spacing) -> labels`: `(X, Y, Z)` in HU and mm to vocabulary ids; 0 outside the body only."""

DICE_CLASSES = ("body", "lung", "airway_gas", "fat", "bone")


def anatomy_dice(
    hu: np.ndarray, anatomy: np.ndarray, spacing: Sequence[float], segment: Segmenter = coarse_labels
) -> dict[str, float]:
    """Dice per coarse class of the anatomy found in a CT against the map that it was generated from.

    Both are brought to coarse classes (`COARSE_OF`); `body` is everything inside the body. A map may be drawn
    by other rules than the segmenter's (TotalSegmentator names no gas of the bowel and no fat): the same
    Dice of the real CT is the most that can be reached.

    Args:
        hu: CT `(X, Y, Z)` in HU, axial slices along the last axis.
        anatomy: the map, vocabulary ids `(X, Y, Z)`.
        spacing: voxel size in mm.
        segment: finds the anatomy. Default: thresholds and connected components.

    Returns:
        Dice per class of `DICE_CLASSES`; nan for a class that the map does not have.
    """
    found, wanted = (_masks(COARSE_OF[labels]) for labels in (segment(hu, spacing), anatomy))
    return dict(zip(DICE_CLASSES, compute_dice(found, wanted)[0].tolist(), strict=True))


def segmenter_name(segment: Segmenter) -> str:
    """What to call a segmenter in a report."""
    return getattr(segment, "__name__", type(segment).__name__)


def _masks(coarse: np.ndarray) -> torch.Tensor:
    """`(1, C, X, Y, Z)` bool, a channel per class."""
    masks = [coarse > 0 if name == "body" else coarse == label_id(name) for name in DICE_CLASSES]
    return torch.from_numpy(np.stack(masks))[None]
