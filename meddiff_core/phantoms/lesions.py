"""Lesions with a known mask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from meddiff_core.phantoms.canvas import Canvas
from meddiff_core.phantoms.shapes import Ellipsoid

_RADIUS_MM = (7.0, 13.0)


def paint_lesions(
    canvas: Canvas, rng: np.random.Generator, hosts: Mapping[str, Sequence], count: int
) -> np.ndarray:
    """Paint `count` lesions, in turn through the hosts, and return their mask.

    Args:
        canvas: a finished patient.
        rng: source of their places, sizes and shapes.
        hosts: organ to (centre, radii) in mm of where lesions may lie, and their HU.
        count: how many.

    Returns:
        uint8 `(X, Y, Z)`.
    """
    mask = np.zeros(canvas.hu.shape, dtype=np.uint8)
    for organ, (center, radii, hu) in [list(hosts.items())[k % len(hosts)] for k in range(count)]:
        direction = rng.normal(size=3)
        direction *= rng.uniform(0, 0.9) / np.linalg.norm(direction)
        place = np.add(center, np.multiply(radii, direction))
        size = min(rng.uniform(*_RADIUS_MM), 1.1 * min(radii))
        lesion = Ellipsoid(place, size * rng.uniform(0.8, 1.2, 3), turn=tuple(rng.uniform(0, 90, 3)))
        mask |= (canvas.cover(lesion, wobble=0.8, within=[organ]) > 0.5).astype(np.uint8)
        canvas.paint(lesion, hu + rng.uniform(-8, 8), grain=9, wobble=0.8, within=[organ])
    return mask
