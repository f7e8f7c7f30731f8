"""How often each training volume is drawn."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence


def region_balanced_weights(items: Sequence[Mapping[str, str]], power: float = 0.5) -> list[float]:
    """Weights for a `WeightedRandomSampler` that lift the rare regions.

    A region's share is its number of volumes to the power `power`: 1 draws every volume alike, 0 every
    region alike. The square root in between keeps a region with one patient from being learned by heart.

    Args:
        items: entries of a data list, each with its `region`.
        power: exponent of the region's count.
    """
    counts = Counter(item["region"] for item in items)
    return [math.pow(counts[item["region"]], power - 1) for item in items]
