"""Head and neck without contrast: vertex to the thoracic inlet."""

from __future__ import annotations

import numpy as np

from meddiff_core.phantoms.canvas import Canvas
from meddiff_core.phantoms.face import paint_face
from meddiff_core.phantoms.neck import paint_neck
from meddiff_core.phantoms.shapes import Column, Ellipsoid, HalfSpace, Tube

EXTENT = (256.0, 256.0, 288.0)
LESION_HOSTS = {"brain": ((0, 0, 68), (44, 56, 30), 68.0)}
"""Organ to (centre, radii) in mm of the ellipsoid that lesion centres are drawn from, and the lesions' HU."""

_VAULT = Ellipsoid((0, -6, 52), (73, 93, 82), 2.15)
# The base of the skull rises from the posterior fossa to the roof of the orbits.
_ABOVE_BASE = HalfSpace((0, 0, 0), (0, 0.4, -0.92))
_BRAIN = _VAULT.inset(8) & _ABOVE_BASE.inset(6)


def paint_head(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint head and neck; `rng` varies the folds of the brain and the air cells."""
    _outline(canvas)
    paint_neck(canvas)
    _skull(canvas, rng)
    _brain(canvas, rng)
    paint_face(canvas, rng)


def _outline(canvas: Canvas) -> None:
    scalp = Ellipsoid((0, -6, 52), (79, 99, 88), 2.15)
    face = Column(
        [
            (-84, 0, 56, 30, 30),
            (-66, 0, 36, 50, 56),
            (-20, 0, 18, 64, 78),
            (20, 0, 2, 73, 92),
            (50, 0, 0, 74, 90),
        ]
    )
    nose = Column([(-28, 0, 86, 14, 24), (-18, 0, 90, 13, 27), (16, 0, 80, 8, 18)])
    for solid in (scalp, face, nose):
        canvas.paint(solid, 30, "body", wobble=0.3)
    for solid in (scalp, face):
        canvas.paint(solid.inset(2.4), -85, "body", grain=12, wobble=0.4)


def _skull(canvas: Canvas, rng: np.random.Generator) -> None:
    bone = _VAULT & _ABOVE_BASE
    for depth, hu in ((0, 1150), (1.9, 650), (4.4, 1200)):
        canvas.paint(bone.inset(depth), hu, "skull", grain=60, wobble=0.2)
    canvas.paint(_VAULT.inset(6.2) & _ABOVE_BASE.inset(4), 9, "brain", grain=4, wobble=0.3)
    canvas.paint(Ellipsoid((0, 12, 2), (27, 17, 15), 2.5), 520, "skull", grain=60)
    canvas.paint(Tube([(0, 6, 4), (0, -12, -20)], [9, 7]), 480, "skull", grain=60)  # clivus
    for side in (1, -1):
        canvas.paint(
            Ellipsoid((side * 40, -20, -6), (30, 10, 10), turn=(0, 0, -side * 32)), 1150, "skull", grain=120
        )
        canvas.paint(Ellipsoid((side * 50, -32, -16), (12, 15, 19)), 620, "skull", grain=120)
        for _ in range(26):
            cell = np.array([side * 50, -32, -16]) + rng.uniform(-1, 1, 3) * (8, 11, 15)
            canvas.paint(Ellipsoid(cell, rng.uniform(1.6, 3.4, 3)), -850, None, wobble=0)
        canvas.paint(Tube([(side * 72, -8, -8), (side * 48, -12, -7)], [3.2, 2.6]), -950, "body", wobble=0)
    canvas.paint(Ellipsoid((0, -34, -24), (15, 17, 14)), 10, "brain", grain=4, wobble=0.3)  # foramen magnum


def _brain(canvas: Canvas, rng: np.random.Generator) -> None:
    canvas.paint(_BRAIN, 38, "brain", grain=4, wobble=0.5)
    for _ in range(170):  # sulci: short furrows filled with fluid, on the surface
        direction = rng.normal(size=3) * (1, 1, 0.8) + (0, 0, 0.45)
        direction /= np.linalg.norm(direction)
        turn = np.cross(direction, rng.normal(size=3)) * 0.1
        furrow = [direction + step * turn for step in (-1, 0, 1)]
        points = [np.array((0, -6, 52)) + (62.5, 82.5, 71.5) * (p / np.linalg.norm(p)) for p in furrow]
        deep = [0.9 * (p - (0, -6, 52)) + (0, -6, 52) for p in points]
        for path, radius in ((points, 2.4), (deep, 1.5)):
            canvas.paint(Tube(path, [radius], steps=2), 8, None, grain=4, wobble=0.3, within=["brain"])
    for side in (1, -1):
        white = Ellipsoid((side * 32, -4, 66), (22, 62, 32), 2.3, turn=(0, 0, -side * 6))
        canvas.paint(white & _BRAIN.inset(8), 29, "brain", grain=4, wobble=3.0)
        canvas.paint(Ellipsoid((side * 17, 4, 48), (7, 15, 12)), 39, "brain", grain=4)
        canvas.paint(Ellipsoid((side * 26, 2, 46), (6, 17, 12)), 40, "brain", grain=4)
        canvas.paint(
            Tube([(side * 60, 16, 38), (side * 46, 4, 44), (side * 56, -26, 56)], [3.5, 3, 1.8]),
            11,
            "brain",
            grain=4,
        )
    canvas.paint(Ellipsoid((0, -6, 84), (2.4, 82, 50)) & _BRAIN.inset(-2), 16, "brain", grain=4, wobble=0.5)
    canvas.paint(Ellipsoid((0, -6, 92), (1.1, 84, 44)) & _VAULT.inset(6.2), 62, "brain", grain=4, wobble=0.2)
    for side in (1, -1):
        horn = [
            (side * 9, 34, 58),
            (side * 8, 10, 66),
            (side * 14, -22, 66),
            (side * 25, -40, 52),
            (side * 28, -16, 34),
        ]
        canvas.paint(Tube(horn, [5.5, 5, 6, 6.5, 2.5]), 6, "brain", grain=4, wobble=0.4)
    canvas.paint(Ellipsoid((0, 2, 46), (2.6, 14, 10)), 6, "brain", grain=4, wobble=0.2)
    canvas.paint(Ellipsoid((0, -54, 0), (50, 32, 25)) & _BRAIN.inset(1), 40, "brain", grain=5)
    canvas.paint(Ellipsoid((0, -20, 18), (24, 10, 6)), 9, "brain", grain=4)  # basal cisterns
    canvas.paint(Tube([(0, -16, 26), (0, -22, 2), (0, -32, -30)], [14, 14, 7]), 31, "brain", grain=4)
    canvas.paint(Ellipsoid((0, -38, 2), (7, 5, 8)), 7, "brain", grain=4, wobble=0.2)
