"""Branching vessels within an organ."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from meddiff_core.phantoms.canvas import Canvas
from meddiff_core.phantoms.shapes import Tube

_THINNEST_MM = 0.55


def paint_tree(
    canvas: Canvas,
    rng: np.random.Generator,
    root: Sequence[float],
    heading: Sequence[float],
    length: float,
    radius: float,
    within: Sequence[str],
    hu: float,
    generations: int = 7,
) -> None:
    """Paint a tree that halves its cross-section at each branching; labels stay those of the organ.

    Args:
        canvas: what is painted on.
        rng: source of the branching angles.
        root: where the stem begins, mm.
        heading: its direction.
        length: of the stem, mm; branches are a fifth shorter each time.
        radius: of the stem, mm.
        within: labels that the tree stays in.
        hu: of the blood.
        generations: how often it branches.
    """
    start, axis = np.asarray(root, dtype=float), np.asarray(heading, dtype=float)
    _grow(canvas, rng, start, axis / np.linalg.norm(axis), length, radius, generations, start, (hu, within))


def _grow(canvas, rng, start, axis, length, radius, generations, root, paint) -> None:
    end = start + axis * length
    hu, within = paint
    canvas.paint(Tube([start, end], [radius, radius * 0.85]), hu, wobble=0, within=within)
    radius *= 0.78
    if generations == 0 or radius < _THINNEST_MM:
        return
    across = np.cross(axis, rng.normal(0, 1, 3))
    across /= np.linalg.norm(across)
    outward = (end - root) / np.linalg.norm(end - root)
    for side in (1, -1):
        # Leaning outwards keeps the branches from curling back.
        branch = axis + side * rng.uniform(0.4, 0.8) * across + 0.3 * outward
        branch /= np.linalg.norm(branch)
        step = length * rng.uniform(0.7, 0.88)
        _grow(canvas, rng, end, branch, step, radius, generations - 1, root, paint)
