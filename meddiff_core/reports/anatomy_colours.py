"""Colours of anatomy labels: a family for each coarse class, distinct and calm for the organs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize, hsv_to_rgb, to_rgb
from matplotlib.patches import Patch

from meddiff_core.conditions.vocabulary import BODY, COARSE_OF, NUM_LABELS, label_id
from meddiff_core.reports.canvas import BACKGROUND

# How far hue, saturation and value go on from one id to the next, as a share of their range: of some hundred
# combinations one of those that keep the organs of each region apart best (CIE Lab distance of at least 11).
_PACES = (0.62, 2**0.5, 3**0.5)
_ORGANS = 0
# Lower and upper end of hue, saturation and value. Organs leave out the hues of lung and gas.
_FAMILIES = {
    _ORGANS: ((0.70, 1.42), (0.35, 0.65), (0.55, 0.90)),
    BODY: ((0.98, 0.98), (0.20, 0.20), (0.36, 0.36)),
    label_id("lung"): ((0.57, 0.62), (0.40, 0.60), (0.55, 0.85)),
    label_id("airway_gas"): ((0.49, 0.49), (0.40, 0.55), (0.75, 0.95)),
    label_id("fat"): ((0.12, 0.12), (0.50, 0.50), (0.55, 0.55)),
    label_id("bone"): ((0.10, 0.14), (0.08, 0.20), (0.76, 0.97)),
}
_NAMES = dict(zip(_FAMILIES, ("organs", "other tissue", "lung", "gas", "fat", "bone"), strict=True))
_SWATCHES = 3


def _family(label: int) -> int:
    """Coarse class of a label; soft tissue with a name of its own is an organ."""
    coarse = int(COARSE_OF[label])
    return _ORGANS if coarse == BODY and label != BODY else coarse


def _colour(label: int) -> np.ndarray:
    """RGB of a label within its family."""
    pairs = zip(_FAMILIES[_family(label)], _PACES, strict=True)
    hue, saturation, value = (low + (high - low) * (label * pace % 1) for (low, high), pace in pairs)
    return hsv_to_rgb((hue % 1, saturation, value))


_COLOURS = [to_rgb(BACKGROUND), *(_colour(label) for label in range(1, NUM_LABELS))]

ANATOMY_SCALE = ScalarMappable(Normalize(0, NUM_LABELS - 1), ListedColormap(_COLOURS))
"""Label ids to colours; 0 is the background's."""


def anatomy_legend(images: Sequence[np.ndarray]) -> tuple[list[tuple[Patch, ...]], list[str]]:
    """Handles and names of the coarse classes in a map, each with the colours of its largest labels.

    Args:
        images: vocabulary ids, the planes that are shown.
    """
    pixels = sum(np.bincount(image.astype(int).ravel(), minlength=NUM_LABELS) for image in images)
    present = [label for label in np.argsort(-pixels) if label and pixels[label]]
    labels = {family: [n for n in present if _family(n) == family] for family in _FAMILIES}
    shown = {_NAMES[family]: members[:_SWATCHES] for family, members in labels.items() if members}
    return [tuple(Patch(color=_COLOURS[n]) for n in members) for members in shown.values()], list(shown)
