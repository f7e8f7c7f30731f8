"""Kidneys, adrenal glands, pancreas and the large vessels in front of the lumbar spine."""

from __future__ import annotations

import numpy as np

from meddiff_core.phantoms.canvas import Canvas
from meddiff_core.phantoms.shapes import Ellipsoid, Tube


def spine_line(z: float) -> float:
    """y of the middle of the vertebral bodies: the lumbar lordosis."""
    return -42 + 8 * np.cos((z + 40) / 85)


def paint_glands(canvas: Canvas) -> None:
    """Adrenal glands and pancreas."""
    for side, name in ((1, "right"), (-1, "left")):
        for tip in ((side * 46, -34, 58), (side * 36, -44, 56)):
            limbs = [(side * 36, -20, 66), tip]
            canvas.paint(Tube(limbs, [3.4, 2.2]), 70, f"adrenal_gland_{name}", wobble=0.3)
    pancreas = [(40, 12, 18), (28, 18, 28), (4, 26, 38), (-26, 16, 46), (-56, -4, 56), (-78, -16, 66)]
    canvas.paint(Tube(pancreas, [14, 13, 9, 10, 10, 7]), 92, "pancreas", grain=18, wobble=1.6)


def paint_kidneys(canvas: Canvas, rng: np.random.Generator) -> None:
    """Kidneys with pyramids and sinus; `rng` moves them a little."""
    for side, name, z in ((1, "right", 14), (-1, "left", 26)):
        center = np.array([side * 62, -34, z]) + rng.uniform(-3, 3, 3)
        turn = (-10, side * 14, side * 30)
        kidney = Ellipsoid(center, (27, 25, 54), 2.2, turn=turn)
        canvas.paint(kidney, 190, f"kidney_{name}", grain=9, wobble=0.5)
        for angle in np.radians(np.linspace(15, 345, 9)):  # medullary pyramids
            ring = np.array([side * 3 + 8.4 * np.cos(angle), 11 * np.cos(2 * angle), 34 * np.sin(angle)])
            pyramid = Ellipsoid(center + ring, (7, 7, 8))
            canvas.paint(pyramid, 150, f"kidney_{name}", grain=9, within=[f"kidney_{name}"])
        sinus = center + np.array([-side * 17, 10, 0])
        canvas.paint(Ellipsoid(sinus, (15, 11, 27), turn=turn), -75, "body", grain=10)
        canvas.paint(Ellipsoid(sinus, (7, 5, 13), turn=turn), 30, "body", grain=8)


def paint_vessels(canvas: Canvas) -> None:
    """Aorta, inferior vena cava, portal vein and their large branches."""
    front = spine_line(0) + 16
    aorta = [
        (-14, front + 6, 160),
        (-10, front + 12, 90),
        (-9, front + 11, 30),
        (-8, front + 12, -30),
        (-6, front + 14, -66),
    ]
    cava = [
        (20, front + 20, 160),
        (22, front + 14, 90),
        (21, front + 10, 30),
        (19, front + 9, -30),
        (14, front + 10, -70),
    ]
    canvas.paint(Tube(aorta, [11.5, 11, 10, 9.5, 9]), 172, "aorta", wobble=0.2)
    for z in (72, 50):  # coeliac trunk and superior mesenteric artery
        canvas.paint(Tube([(-10, front + 14, z), (-6, front + 34, z - 4)], [3.5, 3.0]), 170, "body", wobble=0)
    canvas.paint(
        Tube([(-6, front + 34, 46), (0, 22, 0), (4, 30, -60)], [3.5, 3.2, 2.2]), 170, "body", wobble=0
    )
    canvas.paint(Tube([(6, front + 34, 46), (10, 24, 0), (16, 32, -60)], [5, 4.5, 3]), 168, "body", wobble=0)
    canvas.paint(Tube(cava, [13, 11.5, 11, 10.5, 10]), 150, "inferior_vena_cava", wobble=0.4)
    for side, name in ((1, "right"), (-1, "left")):
        canvas.paint(
            Tube([(side * 58, -30, 20), (side * 30, -24, 26), (side * 8, front + 12, 30)], [4.5]),
            160,
            "body",
            wobble=0,
        )
        artery = [(-6, front + 14, -66), (side * 24, front + 12, -100), (side * 44, front + 4, -160)]
        vein = [(14, front + 10, -68), (side * 24 + 6, front + 2, -104), (side * 40, front - 6, -160)]
        canvas.paint(Tube(artery, [7, 6, 5]), 168, f"iliac_artery_{name}", wobble=0.2)
        canvas.paint(Tube(vein, [8, 7.5, 6.5]), 135, f"iliac_vena_{name}", wobble=0.3)
    portal = [(-84, -14, 62), (-40, 0, 50), (6, 8, 40), (26, 8, 52), (46, 6, 66)]
    canvas.paint(Tube(portal, [4, 5, 6.5, 7.5, 7]), 175, "portal_vein_and_splenic_vein", wobble=0.2)
