"""The abdomen: lung bases to iliac crests, in the portal venous phase."""

from __future__ import annotations

import numpy as np

from meddiff_core.phantoms.bowel import paint_colon, paint_duodenum, paint_small_bowel, paint_stomach
from meddiff_core.phantoms.canvas import Canvas
from meddiff_core.phantoms.retroperitoneum import paint_glands, paint_kidneys, paint_vessels, spine_line
from meddiff_core.phantoms.shapes import Column, Ellipsoid, HalfSpace, Tube
from meddiff_core.phantoms.skeleton import paint_bone, paint_spine, rib_path
from meddiff_core.phantoms.vessels import paint_tree

EXTENT = (320.0, 320.0, 288.0)
LESION_HOSTS = {
    "liver": ((66, 2, 62), (36, 46, 44), 45.0),
    "kidney_left": ((-66, -34, 34), (12, 10, 32), 12.0),
    "spleen": ((-96, -22, 84), (12, 24, 28), 60.0),
}
"""Organ to (centre, radii) in mm of the ellipsoid that lesion centres are drawn from, and the lesions' HU."""

_TRUNK = [
    (-160, 0, 0, 148, 98),
    (-90, 0, 0, 146, 100),
    (-20, 0, 0, 138, 98),
    (60, 0, 0, 143, 101),
    (160, 0, 0, 146, 102),
]
_CAVITY = [
    (-160, 0, 12, 104, 62),
    (-90, 0, 8, 114, 68),
    (0, 0, 8, 113, 71),
    (70, 0, 2, 124, 80),
    (160, 0, 0, 126, 80),
]


def paint_abdomen(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint an abdomen; `rng` varies the bowel, the vessels and the organs' places a little."""
    _wall(canvas)
    _bones(canvas)
    _lung_bases(canvas, rng)
    paint_glands(canvas)
    paint_kidneys(canvas, rng)
    paint_vessels(canvas)
    paint_small_bowel(canvas, rng)
    paint_duodenum(canvas)
    _upper_organs(canvas, rng)
    paint_stomach(canvas)
    paint_colon(canvas, rng)


def _wall(canvas: Canvas) -> None:
    trunk, cavity = Column(_TRUNK, power=2.3), Column(_CAVITY, power=2.2)
    canvas.paint(trunk, 10, "body")
    canvas.paint(trunk.inset(2.2), -105, "body", grain=9, wobble=0.4)
    canvas.paint(cavity.inset(-13), 55, "body", grain=9, wobble=1.3)
    for depth, hu in ((-8.6, -60), (-7.8, 58), (-4.6, -60), (-3.8, 55)):  # the three layers of the flank
        canvas.paint(cavity.inset(depth) & HalfSpace((0, 52, 0), (0, 1, 0)), hu, "body", grain=9)
    canvas.paint(Ellipsoid((0, 82, -20), (1.5, 10, 200)), -60, "body")  # linea alba
    canvas.paint(cavity, -100, "body", grain=10, wobble=0.8)
    for side, name in ((1, "right"), (-1, "left")):
        back = Column(
            [(-160, side * 30, -78, 24, 17), (0, side * 33, -72, 29, 21), (160, side * 28, -76, 27, 17)]
        )
        canvas.paint(back, 52, f"autochthon_{name}", grain=13)
        lumborum = Column(
            [(-90, side * 72, -50, 14, 9), (-20, side * 62, -52, 20, 9), (50, side * 45, -55, 10, 5)]
        )
        canvas.paint(lumborum, 54, "body", grain=11)
        psoas = [
            (side * 24, -36, 45),
            (side * 34, -30, 0),
            (side * 42, -24, -60),
            (side * 54, -12, -110),
            (side * 66, 4, -170),
        ]
        canvas.paint(Tube(psoas, [4, 13, 20, 22, 20]), 56, f"iliopsoas_{name}", grain=10)


def _bones(canvas: Canvas) -> None:
    paint_spine(
        canvas, ("T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5"), 168, 33, spine_line, (23, 16), spinous=13
    )
    sacrum = Ellipsoid((0, -56, -132), (46, 17, 38), 2.6, turn=(-25, 0, 0))
    paint_bone(canvas, sacrum, "sacrum")
    ribs = ((8, 205, 118, 160), (9, 178, 112, 150), (10, 148, 100, 132), (11, 118, 62, 92), (12, 88, 30, 62))
    for side, name in ((1, "right"), (-1, "left")):
        for number, z, drop, reach in ribs:
            path = rib_path(side, z, reach, (-2, 129, 86), drop, -62)
            paint_bone(canvas, Tube(path, [5.0]), f"rib_{name}_{number}", shell=1.6, marrow=230)
        # Wing of the ilium: a curved plate from the sacrum outwards and forwards, gluteal muscle behind.
        bowl = Ellipsoid((side * 26, 24, -176), (86, 84, 104), 2.2)
        behind = HalfSpace((side * 52, -4, 0), (-side, 1, 0))
        canvas.paint(bowl.inset(-17) & ~bowl & behind, 52, f"gluteus_medius_{name}", grain=12)
        paint_bone(canvas, bowl & ~bowl.inset(8) & behind, f"hip_{name}")


def _lung_bases(canvas: Canvas, rng: np.random.Generator) -> None:
    for side, name, z in ((1, "right", 52), (-1, "left", 46)):
        lung = Column(
            [(z, side * 80, -34, 34, 38), (z + 40, side * 76, -18, 46, 56), (170, side * 70, -6, 54, 72)], 2.3
        )
        canvas.paint(lung, -855, f"lung_lower_lobe_{name}", grain=32, wobble=0.6)
        root, heading = (side * 28, -12, 190), (side * 0.5, -0.3, -1)
        paint_tree(canvas, rng, root, heading, 46, 4.5, [f"lung_lower_lobe_{name}"], 50)
    canvas.paint(Ellipsoid((-24, 30, 160), (62, 44, 34)), 130, "heart", grain=9)
    canvas.paint(Ellipsoid((-30, 32, 166), (46, 32, 30)), 165, "heart", grain=8)


def _upper_organs(canvas: Canvas, rng: np.random.Generator) -> None:
    x, y, z = rng.uniform(-4, 4, 3)
    right = Ellipsoid((64 + x, 0 + y, 60 + z), (58, 72, 80), 2.3)
    left = Ellipsoid((4 + x, 40 + y, 88 + z), (72, 34, 38), 2.1, turn=(0, -12, 12))
    notch = ~Ellipsoid((62, -36, 2), (31, 29, 60)) & ~Ellipsoid((-2, -30, 60), (36, 40, 90))
    inside = Column(_CAVITY, power=2.2).inset(3)
    for lobe in (left, right & notch):
        canvas.paint(lobe & inside, 112, "liver", grain=8, wobble=0.7)
    for root, heading, length in (
        ((40, 6, 64), (1, 0.1, 0.2), 42),
        ((34, 14, 70), (-0.4, 1, 0.6), 34),
        ((24, -16, 122), (0.9, 0.3, -0.6), 46),
        ((20, -8, 124), (0.3, 1, -0.5), 44),
    ):
        paint_tree(canvas, rng, root, heading, length, 4.6, ["liver"], 165, generations=5)
    gallbladder = [(34, 34, 44), (44, 46, 28), (50, 56, 12)]
    canvas.paint(Tube(gallbladder, [7, 12, 13]), 60, "gallbladder", wobble=0.4)
    canvas.paint(Tube(gallbladder, [5, 10.5, 11.5]), 8, "gallbladder", grain=5, wobble=0.4)
    spleen = Ellipsoid((-98, -22, 84), (27, 46, 50), 2.1, turn=(20, 0, -18)) & ~Ellipsoid(
        (-56, -10, 80), (30, 42, 60)
    )
    canvas.paint(spleen & inside, 128, "spleen", wobble=0.6)
