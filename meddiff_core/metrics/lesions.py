"""How much a generated lesion is like a real one: its HU, its border, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import wasserstein_distance

from meddiff_core.conditions.regions import WIDEST_WINDOW

PERCENTILES = (5, 25, 50, 75, 95)


def lesion_metrics(generated: np.ndarray, real: np.ndarray, lesion: np.ndarray) -> dict:
    """What tells a generated lesion from the real one at its place.

    HU are clipped to the widest window, so that what the network cannot express does not count. All lesions
    of a volume count as one.

    Args:
        generated: CT with the generated lesion, `(X, Y, Z)` in HU.
        real: CT with the real lesion, `(X, Y, Z)` in HU.
        lesion: bool `(X, Y, Z)`, at least one voxel.

    Returns:
        `generated` and `real` (`hu_statistics` of each), `hu_error` (difference of their means, absolute),
        `histogram_distance`, `border_step` (of both) and `seam`: the step of the generated lesion's border
        over that of the real one. Above 1 it stands out more than the real lesion, below it is softer;
        the smoother a CT is, the lower.
    """
    pair = {
        name: np.clip(hu, WIDEST_WINDOW.lower, WIDEST_WINDOW.upper)
        for name, hu in (("generated", generated), ("real", real))
    }
    inside = {name: hu[lesion] for name, hu in pair.items()}
    statistics = {name: hu_statistics(values) for name, values in inside.items()}
    steps = {name: border_step(hu, lesion) for name, hu in pair.items()}
    return {
        **statistics,
        "hu_error": abs(statistics["generated"]["mean"] - statistics["real"]["mean"]),
        "histogram_distance": histogram_distance([inside["generated"]], [inside["real"]]),
        "border_step": steps,
        "seam": steps["generated"] / steps["real"] if steps["real"] > 0 else float("nan"),
    }


def hu_statistics(values: np.ndarray) -> dict[str, float]:
    """Mean, standard deviation (`sd`) and percentiles (`p5` ... `p95`) of a lesion's HU `(N,)`."""
    levels = np.percentile(values, PERCENTILES)
    return {
        "mean": float(values.mean(dtype=np.float64)),
        "sd": float(values.std(dtype=np.float64)),
        **{f"p{percent}": float(level) for percent, level in zip(PERCENTILES, levels, strict=True)},
    }


def histogram_distance(generated: Sequence[np.ndarray], real: Sequence[np.ndarray]) -> float:
    """Wasserstein-1 distance in HU: how far the HU of one side have to move to be those of the other.

    Args:
        generated: HU `(N,)` of each lesion. Several are pooled, and each counts alike, whatever its size.
        real: the same of real lesions, of any number and size.
    """
    values = [np.concatenate(side) for side in (generated, real)]
    weights = [
        np.concatenate([np.full(len(part), 1 / len(part)) for part in side]) for side in (generated, real)
    ]
    return float(wasserstein_distance(*values, *weights))


def border_step(hu: np.ndarray, lesion: np.ndarray) -> float:
    """Mean absolute difference in HU between neighbours along an axis, one inside the lesion and one outside.

    Args:
        hu: `(X, Y, Z)`.
        lesion: bool `(X, Y, Z)`; nan comes out where it has no border.
    """
    steps = [
        np.abs(np.diff(hu.astype(np.float32), axis=axis))[np.diff(lesion, axis=axis)]
        for axis in range(hu.ndim)
    ]
    return float(np.mean(np.concatenate(steps))) if any(map(len, steps)) else float("nan")


def outside_difference(generated: np.ndarray, original: np.ndarray, lesion: np.ndarray) -> float:
    """Largest absolute difference in HU outside the lesion; 0 where all else is left as it was.

    Args:
        generated: CT with the generated lesion, `(X, Y, Z)` in HU.
        original: the CT that it was put into.
        lesion: bool `(X, Y, Z)`.
    """
    return float(np.abs(generated - original)[~lesion].max(initial=0.0))


def dice(found: np.ndarray, lesion: np.ndarray) -> float:
    """Dice of two masks, bool `(X, Y, Z)`; nan where both are empty."""
    voxels = found.sum() + lesion.sum()
    return float(2 * (found & lesion).sum() / voxels) if voxels else float("nan")
