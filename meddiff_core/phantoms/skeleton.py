"""Spine and ribs, which chest and abdomen share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from meddiff_core.phantoms.canvas import Canvas
from meddiff_core.phantoms.shapes import Column, Ellipsoid, Tube

CORTEX_HU, MARROW_HU, DISC_HU, CORD_HU = 480.0, 165.0, 85.0, 35.0


def paint_bone(canvas: Canvas, solid, label: str, shell: float = 2.0, marrow: float = MARROW_HU) -> None:
    """Cortical shell of `shell` mm around marrow."""
    canvas.paint(solid, CORTEX_HU, label, grain=45, wobble=0.3)
    canvas.paint(solid.inset(shell), marrow, label, grain=40, wobble=0.3)


def paint_spine(
    canvas: Canvas,
    names: Sequence[str],
    top: float,
    height: float,
    line: Callable[[float], float],
    radii: Sequence[float],
    spinous: float,
) -> None:
    """Vertebrae from the top down, with discs, arches, spinous and transverse processes and the cord.

    Args:
        canvas: what is painted on.
        names: vertebrae such as `T12`, from the head to the feet.
        top: z of the upper end of the first, mm.
        height: height of a vertebra with its disc, mm.
        line: y of the body's middle as a function of z, mm.
        radii: half width and half depth of a body, mm.
        spinous: half length of the spinous processes, mm.
    """
    width, depth = radii
    bottom = top - height * len(names)
    for k, name in enumerate(names):
        z = top - height * (k + 0.5)
        y, label = line(z), f"vertebrae_{name}"
        waist = [(z + s * height / 2, 0, line(z + s * height / 2), width, depth) for s in (-1, 1)]
        canvas.paint(Column(waist).inset(1.5), DISC_HU, "body", grain=8, wobble=0.2)
        half = height * 0.4
        body = [
            (z + s * half, 0, line(z + s * half), f * width, f * depth)
            for s, f in ((-1, 1), (0, 0.9), (1, 1))
        ]
        paint_bone(canvas, Column(body, power=2.3), label)
        back = y - depth - 9
        for side in (1, -1):
            foot = (side * width * 0.62, back + 9, z + 3)
            lamina = [foot, (side * 14, back - 3, z), (0, back - 12, z - 4)]
            canvas.paint(Tube(lamina, [4.2, 4.0, 3.5]), 430, label, grain=45, wobble=0.2)
            process = [(side * 13, back, z), (side * (width + 13), back - 6, z + 1)]
            canvas.paint(Tube(process, [4.5, 2.6]), 430, label, grain=45, wobble=0.2)
        tip = Ellipsoid(
            (0, back - 9 - spinous, z - 0.2 * height), (2.8, spinous, 0.26 * height), 2.6, (18, 0, 0)
        )
        paint_bone(canvas, tip, label, shell=1.3)
    steps = np.linspace(bottom, top, 9)
    canal = np.array([(0, line(z) - depth - 8, z) for z in steps])
    canvas.paint(Tube(canal, [9.0]), -20, "body", grain=6, wobble=0.2)
    canvas.paint(Tube(canal, [7.0]), 12, "spinal_cord", grain=5, wobble=0.2)
    canvas.paint(Tube(canal, [4.5]), CORD_HU, "spinal_cord", grain=5, wobble=0.2)


def rib_path(
    side: int, z: float, reach: float, wall: Sequence[float], drop: float, back: float
) -> np.ndarray:
    """Centre line of a rib `(N, 3)`, from its head beside the spine around the chest wall.

    Args:
        side: 1 right, -1 left.
        z: height of the rib's head, mm.
        reach: angle it covers, degrees from the back (180 ends at the sternum).
        wall: centre y, half width and half depth of the wall it follows, mm.
        drop: how far its front end lies below its head, mm.
        back: y of its head, mm.
    """
    y0, rx, ry = wall
    angles = np.radians(np.linspace(22, reach, 8))
    arc = [
        (side * rx * np.sin(a), y0 - ry * np.cos(a), z - drop * (1 - np.cos(a)) / 2 - 0.1 * drop * np.sin(a))
        for a in angles
    ]
    return np.array([(side * 20, back, z), *arc])
