"""How often each training volume is drawn."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Mapping, Sequence

from meddiff_core.conditions.voxel_size import COARSE_MM, is_coarse

logger = logging.getLogger("meddiff")


def region_balanced_weights(
    items: Sequence[Mapping],
    power: float = 0.5,
    anatomy_share: float = 0.0,
    max_voxel_mm: float = COARSE_MM,
) -> list[float]:
    """Weights for a `WeightedRandomSampler` that lift the rare regions and limit what shows anatomy only.

    A volume shows anatomy only if it is coarse, see `is_coarse`, or has a `min_timestep`, as a phantom. All
    of these together get `anatomy_share` of the draws, however many they are: a hundred coarse CTs of heads
    would leave little to the few scans that show texture. Among these, and among the others, a region's share
    is its number of volumes to the power `power`: 1 draws every volume alike, 0 every region alike. The
    square root in between keeps a region with one patient from being learned by heart.

    Args:
        items: entries of a data list, each with its `region` and its `spacing` in mm.
        power: exponent of the region's count.
        anatomy_share: share of the draws for volumes that show anatomy only; where there are no others, all.
        max_voxel_mm: largest in-plane voxel size in mm of a volume that is not coarse.
    """
    only = [item.get("min_timestep", 0) > 0 or is_coarse(item.get("spacing"), max_voxel_mm) for item in items]
    groups = [(item["region"], flag) for item, flag in zip(items, only, strict=True)]
    counts = Counter(groups)
    weights = [math.pow(counts[group], power - 1) for group in groups]
    if not any(only) or all(only):
        return weights
    logger.info(
        f"{sum(only)} of {len(items)} training volumes show anatomy only (voxels above {max_voxel_mm:g} mm in"
        f" plane, or phantoms): {anatomy_share:.0%} of the patches are theirs."
    )
    totals = Counter()
    for weight, flag in zip(weights, only, strict=True):
        totals[flag] += weight
    shares = {True: anatomy_share, False: 1 - anatomy_share}
    return [weight * shares[flag] / totals[flag] for weight, flag in zip(weights, only, strict=True)]
