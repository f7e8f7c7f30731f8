"""The slice sensitivity profiles that scanners have: how a slab weighs what lies in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_STEPS = 24


@dataclass(frozen=True)
class SliceProfile:
    """Weights over a slab, whose full width at half maximum is the slice thickness.

    Args:
        weights: relative, not negative, evenly spaced from the slab's lower to its upper end.
        extent: width of the whole slab, in slice thicknesses.
    """

    weights: tuple[float, ...] = (1.0,)
    extent: float = 1.0


def _sampled(extent: float, weight) -> SliceProfile:
    """Profile of `weight`, a function of the distance from the centre in slice thicknesses."""
    distance = np.abs((np.arange(_STEPS) + 0.5) / _STEPS - 0.5) * extent
    return SliceProfile(tuple(float(w) for w in weight(distance)), extent)


SLICE_PROFILES = {
    "box": SliceProfile(),
    # spiral CT with linear interpolation between detector rows (Kalender, "Computed Tomography")
    "trapezoid": _sampled(1.5, lambda distance: np.clip(1.5 - 2 * distance, 0, 1)),
    "gaussian": _sampled(2.0, lambda distance: np.exp2(-((2 * distance) ** 2))),
}
"""By name; the full width at half maximum of each is the slice thickness."""
