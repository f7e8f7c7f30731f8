"""The chest: thoracic inlet to the domes of the diaphragm, with contrast in the vessels."""

from __future__ import annotations

import numpy as np

from meddiff_core.phantoms.canvas import Canvas
from meddiff_core.phantoms.mediastinum import paint_airways, paint_great_vessels, paint_heart
from meddiff_core.phantoms.shapes import Column, Ellipsoid, HalfSpace, Tube
from meddiff_core.phantoms.skeleton import paint_bone, paint_spine, rib_path
from meddiff_core.phantoms.vessels import paint_tree

EXTENT = (320.0, 320.0, 288.0)
LESION_HOSTS = {
    "lung_lower_lobe_right": ((78, -34, -40), (22, 18, 26), 45.0),
    "lung_upper_lobe_left": ((-66, 22, 48), (20, 22, 24), 45.0),
    "lung_upper_lobe_right": ((64, 8, 60), (20, 24, 20), 45.0),
    "lung_lower_lobe_left": ((-76, -40, -30), (20, 14, 26), 45.0),
}
"""Organ to (centre, radii) in mm of the ellipsoid that lesion centres are drawn from, and the lesions' HU."""

# Directions in which pulmonary vessels leave the right hilum.
_STEMS = (
    *((0.6, 0.4, 1.1), (0.9, -0.5, 0.6), (1.0, 0.5, 0.2), (0.5, 1.0, -0.3), (1.0, -0.3, -0.2)),
    *((0.5, -0.7, -1.0), (1.0, 0.1, -0.8), (0.6, -0.9, 0.2), (0.3, 0.9, 0.6)),
)
_LUNGS = {
    1: (
        "right",
        [
            (-118, 84, -36, 26, 34),
            (-86, 78, -16, 46, 66),
            (-40, 72, -4, 54, 80),
            (20, 66, -4, 52, 78),
            (70, 54, -6, 42, 60),
            (112, 40, -14, 26, 36),
            (130, 34, -16, 8, 12),
        ],
    ),
    -1: (
        "left",
        [
            (-122, -84, -38, 26, 34),
            (-90, -80, -18, 44, 62),
            (-40, -74, -6, 50, 76),
            (20, -66, -4, 50, 76),
            (70, -54, -6, 41, 58),
            (112, -40, -14, 26, 36),
            (130, -34, -16, 8, 12),
        ],
    ),
}
_TRUNK = [
    (-170, 0, 0, 140, 100),
    (-60, 0, 0, 144, 104),
    (30, 0, 0, 148, 104),
    (90, 0, -4, 152, 92),
    (125, 0, -8, 146, 78),
    (170, 0, -8, 116, 66),
]
_CAGE = [
    (-170, 0, 0, 122, 84),
    (-60, 0, 0, 128, 88),
    (20, 0, -2, 124, 86),
    (70, 0, -6, 104, 70),
    (110, 0, -10, 78, 48),
    (170, 0, -14, 46, 28),
]


def paint_chest(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint a chest; `rng` varies the lungs' vessels."""
    _wall(canvas)
    paint_spine(canvas, [f"T{k}" for k in range(1, 13)], 152, 25.5, spine_line, (17, 14), spinous=9)
    _ribs(canvas)
    _lungs(canvas, rng)
    _diaphragm(canvas)
    paint_heart(canvas)
    paint_great_vessels(canvas)
    paint_airways(canvas)


def spine_line(z: float) -> float:
    """y of the middle of the vertebral bodies: the thoracic kyphosis."""
    return -40 - 10 * np.cos((z - 10) / 75)


def _wall(canvas: Canvas) -> None:
    trunk, cage = Column(_TRUNK, power=2.5), Column(_CAGE, power=2.1)
    canvas.paint(trunk, 10, "body")
    canvas.paint(trunk.inset(2.2), -105, "body", grain=10, wobble=0.4)
    canvas.paint(cage.inset(-9), 52, "body", grain=22, wobble=1.0)
    for side, name in ((1, "right"), (-1, "left")):
        shoulder = Ellipsoid((side * 112, -16, 112), (34, 46, 46), 2.4)
        canvas.paint(shoulder & trunk.inset(7), 54, "body", grain=22, wobble=1.6)
        pectoral = Ellipsoid((side * 62, 74, 66), (58, 12, 46), 2.3, turn=(-14, 0, -side * 18))
        canvas.paint(pectoral & trunk.inset(6), 55, "body", grain=14, wobble=1.2)
        breast = Ellipsoid((side * 66, 96, -6), (46, 18, 44))
        canvas.paint(breast & trunk.inset(5), -70, "body", grain=32, wobble=1.6)
        latissimus = Ellipsoid((side * 112, -42, 0), (22, 36, 130), 2.4, turn=(0, 0, side * 24))
        canvas.paint(latissimus & trunk.inset(7), 54, "body", grain=16, wobble=1.2)
        back = Column(
            [(-150, side * 29, -80, 27, 17), (0, side * 24, -88, 22, 13), (150, side * 26, -72, 24, 14)]
        )
        canvas.paint(back & trunk.inset(4), 52, f"autochthon_{name}", grain=15)
        blade = Ellipsoid((side * 92, -72, 62), (30, 5.5, 58), 2.4, turn=(-8, 0, side * 28))
        canvas.paint(blade.inset(-9), 54, "body", grain=16, wobble=1.0)
        paint_bone(canvas, blade.inset(2), f"scapula_{name}", shell=1.4)
        collar = [(side * 14, 48, 108), (side * 48, 50, 116), (side * 84, 28, 126), (side * 118, 2, 130)]
        paint_bone(canvas, Tube(collar, [9, 6.5, 6, 7]), f"clavicula_{name}")
        paint_bone(canvas, Ellipsoid((side * 128, -18, 116), (19, 20, 21)), f"humerus_{name}")
    canvas.paint(cage, -95, "body", grain=10, wobble=0.6)


def _ribs(canvas: Canvas) -> None:
    cage = Column(_CAGE)
    knots = np.array(cage.knots)
    breastbone = Ellipsoid((0, 74, 34), (14, 6.5, 72), 2.8, turn=(11, 0, 0))
    paint_bone(canvas, breastbone, "sternum", marrow=140)
    for side, name in ((1, "right"), (-1, "left")):
        for number in range(1, 13):
            head = 146 - 25.5 * (number - 1)
            drop = np.interp(number, [1, 4, 8, 10, 12], [26, 62, 84, 76, 34])
            wall = np.interp(head - drop / 2, knots[::1, 0], knots[:, 2]), 0, 0
            rx, ry = (np.interp(head - drop * 0.55, knots[:, 0], knots[:, c]) + 3.5 for c in (3, 4))
            reach = np.interp(number, [1, 7, 10, 11, 12], [160, 146, 128, 100, 66])
            path = rib_path(side, head, reach, (wall[0], rx, ry), drop, spine_line(head) - 6)
            paint_bone(canvas, Tube(path, [5.0]), f"rib_{name}_{number}", shell=1.7, marrow=210)
            if number <= 10:
                tip = path[-1]
                target = np.array([side * 12, 72, np.interp(number, [1, 7, 10], [92, -30, -44])])
                canvas.paint(
                    Tube([tip, (tip + target) / 2 + (0, 4, -6), target], [5.0]),
                    105,
                    "costal_cartilages",
                    grain=22,
                )


def _lungs(canvas: Canvas, rng: np.random.Generator) -> None:
    cage = Column(_CAGE, power=2.1).inset(1.5)
    for side, (name, knots) in _LUNGS.items():
        lung = Column(knots, power=2.3) & cage
        upper, lower = f"lung_upper_lobe_{name}", f"lung_lower_lobe_{name}"
        canvas.paint(lung, -868, upper, grain=30, wobble=0.5)
        fissure = HalfSpace((0, -14, -4), (0, 0.72, 0.7))
        lobes = [upper, lower]
        if side > 0:
            middle = lung & HalfSpace((0, 0, 4), (0, 0.1, 1))
            lobes.append("lung_middle_lobe_right")
            canvas.paint(middle, -868, lobes[-1], grain=30, wobble=0.5)
            canvas.paint(
                middle & ~HalfSpace((0, 0, 2.6), (0, 0.1, 1)) & ~fissure, -760, None, grain=30, wobble=0.5
            )
        canvas.paint(lung & fissure, -845, lower, grain=34, wobble=0.5)
        canvas.paint(lung & fissure & ~fissure.inset(1.2), -740, None, grain=30, wobble=0.5)
        hilum = np.array([side * 30, -8, 8])
        for heading in _STEMS:
            heading = np.array(heading) * (side, 1, 1)
            paint_tree(canvas, rng, hilum + 9 * heading, heading, 21, 3.8, lobes, 60)


def _diaphragm(canvas: Canvas) -> None:
    inside = Column(_CAGE, power=2.1).inset(2)
    liver = Ellipsoid((58, 2, -142), (78, 84, 76), 2.2) & inside
    canvas.paint(liver.inset(-2.5) & inside, 55, "body")
    canvas.paint(liver, 108, "liver", grain=8)
    canvas.paint(Ellipsoid((10, 36, -132), (76, 40, 40)) & inside, 108, "liver", grain=8)
    left = Ellipsoid((-62, -2, -150), (66, 80, 74), 2.2) & inside
    canvas.paint(left, 55, "body")
    canvas.paint(left.inset(3), -95, "body", grain=10)
    stomach = Ellipsoid((-54, 18, -120), (42, 40, 36)) & left.inset(2)
    canvas.paint(stomach, 65, "stomach")
    canvas.paint(stomach.inset(4.5), 25, "stomach", grain=12)
    canvas.paint(stomach.inset(4.5) & HalfSpace((0, 28, 0), (0, -1, 0)), -985, "stomach", grain=3, wobble=0.4)
    canvas.paint(Ellipsoid((-96, -32, -124), (26, 40, 36)) & left.inset(2), 122, "spleen")
