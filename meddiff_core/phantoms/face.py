"""The face: orbits, sinuses, nose, jaws and teeth."""

from __future__ import annotations

import numpy as np

from meddiff_core.phantoms.canvas import Canvas
from meddiff_core.phantoms.shapes import Ellipsoid, HalfSpace, Tube
from meddiff_core.phantoms.skeleton import paint_bone

_AIR_HU = -985.0


def paint_face(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint the face; `rng` varies the ethmoid cells."""
    _soft_tissue(canvas)
    _upper_jaw(canvas)
    _orbits(canvas)
    _sinuses(canvas, rng)
    _nose(canvas)
    _lower_jaw(canvas)


def _soft_tissue(canvas: Canvas) -> None:
    for side in (1, -1):
        canvas.paint(Ellipsoid((side * 50, 22, -40), (8, 17, 27)), 58, "body", grain=11)  # masseter
        canvas.paint(Ellipsoid((side * 33, 24, -34), (9, 15, 18)), 58, "body", grain=11)  # pterygoids
        canvas.paint(Ellipsoid((side * 63, 30, 4), (5, 24, 22), turn=(0, 0, side * 12)), 56, "body", grain=10)
        canvas.paint(Ellipsoid((side * 48, -4, -42), (12, 14, 22)), 5, "body", grain=16)  # parotid
        canvas.paint(Ellipsoid((side * 28, 34, -80), (9, 13, 9)), 52, "body", grain=10)
    canvas.paint(Ellipsoid((0, 48, -56), (27, 34, 17), 2.4), 56, "body", grain=12)  # tongue
    canvas.paint(Ellipsoid((0, 46, -76), (24, 30, 7)), 50, "body", grain=14)  # floor of the mouth
    canvas.paint(Ellipsoid((0, 88, -54), (26, 12, 16)), 48, "body", grain=12)  # lips


def _upper_jaw(canvas: Canvas) -> None:
    maxilla = Ellipsoid((0, 58, -24), (45, 32, 24), 2.6)
    canvas.paint(maxilla, 560, "skull", grain=70)
    canvas.paint(maxilla.inset(2.2), -20, "skull", grain=16)
    canvas.paint(Ellipsoid((0, 56, -42), (27, 32, 2.6), 3), 620, "skull", grain=70, wobble=0.3)
    for side in (1, -1):
        arch = [(side * 40, 76, -12), (side * 56, 56, -11), (side * 63, 28, -9), (side * 60, 2, -6)]
        paint_bone(canvas, Tube(arch, [7, 4.5, 3.6, 4.5]), "skull", shell=1.5, marrow=380)


def _orbits(canvas: Canvas) -> None:
    open_front = HalfSpace((0, 84, 0), (0, 1, 0))
    for side in (1, -1):
        cone = Ellipsoid((side * 33, 58, 8), (19, 28, 18), 2.2, turn=(0, 0, -side * 14))
        canvas.paint(cone.inset(-2.6) & open_front, 620, "skull", grain=60, wobble=0.3)
        canvas.paint(cone, -88, "body", grain=8, wobble=0.3)
        apex = np.array((side * 20, 32, 8))
        for dx, dz in ((12, 0), (-12, 0), (0, 12), (0, -12)):
            muscle = [apex, (side * 28 + dx * 0.9, 56, 8 + dz * 0.9), (side * 33 + dx, 72, 8 + dz)]
            canvas.paint(Tube(muscle, [1.6, 2.6, 1.6]), 55, "body", wobble=0.1)
        canvas.paint(Tube([apex, (side * 28, 52, 8), (side * 33, 64, 8)], [2.4]), 38, "body", wobble=0.1)
        canvas.paint(Ellipsoid((side * 33, 74, 8), (12.3, 12.3, 12.3)), 60, "body", wobble=0.1)
        canvas.paint(Ellipsoid((side * 33, 74, 8), (11, 11, 11)), 9, "body", grain=4, wobble=0.1)
        canvas.paint(Ellipsoid((side * 33, 82.5, 8), (4.6, 2.4, 4.6)), 95, "body", wobble=0)


def _sinuses(canvas: Canvas, rng: np.random.Generator) -> None:
    for side in (1, -1):
        antrum = Ellipsoid((side * 29, 55, -22), (13, 19, 16), 2.5)
        canvas.paint(antrum.inset(-1.6), 420, "skull", grain=60)
        canvas.paint(antrum, _AIR_HU, "body", grain=3)
        frontal = Ellipsoid((side * 12, 78, 32), (11, 5.5, 10))
        canvas.paint(frontal.inset(-2), 700, "skull", grain=60)
        canvas.paint(frontal, _AIR_HU, "body", grain=3)
        canvas.paint(Ellipsoid((side * 8, 16, 3), (6.8, 11, 9), 2.5), _AIR_HU, "body", grain=3)
    canvas.paint(Ellipsoid((0, 50, 4), (14, 24, 13), 3), 140, "skull", grain=40)
    for _ in range(60):
        cell = np.array((0, 50, 4)) + rng.uniform(-1, 1, 3) * (11, 20, 10)
        canvas.paint(Ellipsoid(cell, rng.uniform(2.2, 4.6, 3)), -950, "body", wobble=0)


def _nose(canvas: Canvas) -> None:
    canvas.paint(Ellipsoid((0, 56, -22), (14, 42, 18), 2.8), 45, "body", grain=10)
    cavity = Ellipsoid((0, 58, -22), (12, 40, 16), 2.6)
    canvas.paint(cavity, -975, "body", grain=4)
    canvas.paint(Ellipsoid((0, 58, -22), (1.4, 40, 18)), 70, "body", wobble=0.5)
    for side in (1, -1):
        for z, length, radius in ((-31, 26, 4.2), (-20, 22, 3.2)):
            concha = [(side * 7, 58 - length, z), (side * 6.5, 58, z + 1), (side * 7, 58 + length, z)]
            canvas.paint(Tube(concha, [radius]), 48, "body", wobble=0.6)
    bridge = [(0, 84, 18), (0, 96, -2)]
    canvas.paint(Tube(bridge, [3.5, 2.2]), 520, "skull", grain=50, wobble=0.2)


def _lower_jaw(canvas: Canvas) -> None:
    for side in (1, -1):
        ramus = [(side * 50, 8, -9), (side * 50, 12, -38), (side * 46, 18, -66), (side * 37, 46, -73)]
        body = [(side * 37, 46, -73), (side * 28, 68, -75), (side * 14, 84, -77), (0, 89, -77)]
        paint_bone(canvas, Tube(ramus, [6, 5.5, 6.5, 7]), "skull", shell=2.2, marrow=220)
        paint_bone(canvas, Tube(body, [7, 7.5, 8, 8]), "skull", shell=2.6, marrow=240)
    angles = np.radians(np.linspace(-78, 78, 14))
    for z, root, width in ((-48, 6, 27), (-60, -6, 26)):
        arch = np.array([(width * np.sin(a), 52 + 33 * np.cos(a), z + root) for a in angles])
        canvas.paint(Tube(arch, [5.5], steps=2), 480, "skull", grain=60)
        for x, y, middle in arch:
            canvas.paint(
                Ellipsoid((x, y, middle - root * 0.9), (3.1, 3.4, 7.5), 2.6),
                1900,
                "skull",
                grain=80,
                wobble=0.1,
            )
