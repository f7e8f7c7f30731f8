"""Heart, great vessels and airways, which lie between the lungs."""

from __future__ import annotations

import numpy as np

from meddiff_core.phantoms.canvas import Canvas
from meddiff_core.phantoms.shapes import Ellipsoid, Tube


def paint_heart(canvas: Canvas) -> None:
    """Heart with its chambers in pericardial fat, and the pulmonary veins."""
    turn = (20, -28, -34)
    canvas.paint(Ellipsoid((-16, 26, -52), (60, 46, 52), turn=turn), -90, "body", grain=9)  # pericardial fat
    canvas.paint(Ellipsoid((-16, 24, -50), (53, 40, 46), turn=turn), 105, "heart", wobble=1.2)
    for center, radii, hu in (
        ((-36, 18, -56), (27, 17, 20), 185),  # left ventricle
        ((2, 42, -54), (27, 13, 25), 165),  # right ventricle
        ((26, 18, -40), (15, 20, 23), 160),  # right atrium
        ((-6, -10, -30), (26, 13, 18), 180),  # left atrium
    ):
        canvas.paint(Ellipsoid(center, radii, turn=turn), hu, "heart", grain=8)
    canvas.paint(Ellipsoid((-36, 18, -16), (8, 13, 9), turn=turn), 180, "atrial_appendage_left")
    for side in (1, -1):
        for z in (-20, -40):
            vein = [(side * 14, -10, -32), (side * 34, -14, z + 4), (side * 50, -18, z)]
            canvas.paint(Tube(vein, [7.5, 6, 4.5]), 180, "pulmonary_vein", wobble=0.3)


def paint_great_vessels(canvas: Canvas) -> None:
    """Arteries and veins of the mediastinum, oesophagus and thyroid."""
    trunk = [(-8, 40, -16), (-18, 32, 8), (-20, 16, 22)]
    canvas.paint(Tube(trunk, [13, 13.5, 12]), 195, "body", wobble=0.3)
    canvas.paint(
        Tube([(-18, 18, 20), (6, 2, 18), (30, -4, 14), (42, -8, 8)], [11, 10.5, 9.5, 6]),
        195,
        "body",
        wobble=0.3,
    )
    canvas.paint(Tube([(-20, 16, 22), (-32, 2, 24), (-44, -10, 18)], [11, 9.5, 6]), 195, "body", wobble=0.3)
    aorta = [
        (2, 22, -24),
        (14, 32, 6),
        (16, 26, 40),
        (4, 6, 64),
        (-14, -18, 62),
        (-24, -38, 36),
        (-26, -42, -20),
        (-20, -40, -90),
        (-12, -36, -150),
    ]
    canvas.paint(Tube(aorta, [15, 15.5, 14.5, 13.5, 13, 12, 11.5, 11, 10.5]), 190, "aorta", wobble=0.3)
    canvas.paint(
        Tube([(10, 16, 62), (14, 12, 84), (20, 6, 100)], [7, 6.5, 6]),
        190,
        "brachiocephalic_trunk",
        wobble=0.2,
    )
    for side, name, root in ((1, "right", (20, 6, 100)), (-1, "left", (-6, -4, 72))):
        canvas.paint(
            Tube([root, (side * 21, 0, 112), (side * 24, 2, 150)], [4]),
            190,
            f"common_carotid_artery_{name}",
            wobble=0,
        )
        lower = root if side > 0 else (-14, -14, 70)
        arch = [lower, (side * 30, -8, 114), (side * 58, 12, 120), (side * 96, 6, 112)]
        canvas.paint(Tube(arch, [5, 5, 4.5, 4]), 190, f"subclavian_artery_{name}", wobble=0)
        vein = [(30, 20, 74), (side * 26 + 4, 24, 98), (side * 32, 18, 122), (side * 34, 12, 150)]
        canvas.paint(Tube(vein, [8, 7.5, 7, 6]), 150, f"brachiocephalic_vein_{name}", wobble=0.3)
    canvas.paint(
        Tube([(30, 20, 76), (31, 14, 40), (30, 12, -22)], [9.5, 10, 10.5]),
        170,
        "superior_vena_cava",
        wobble=0.3,
    )
    canvas.paint(
        Tube([(26, 6, -60), (24, -6, -100), (20, -14, -150)], [12, 11.5, 12]),
        140,
        "inferior_vena_cava",
        wobble=0.3,
    )
    gullet = [(-6, -22, 150), (-4, -24, 80), (-2, -28, 10), (-8, -24, -60), (-20, -10, -110)]
    canvas.paint(Tube(gullet, [7.5]), 45, "esophagus", wobble=0.8)
    canvas.paint(Tube(gullet[:3], [1.8]), -500, "esophagus", wobble=0.3)
    for side in (1, -1):
        canvas.paint(Ellipsoid((side * 18, 8, 142), (9, 10, 22)), 115, "thyroid_gland")


def paint_airways(canvas: Canvas) -> None:
    """Trachea and the first bronchi."""
    windpipe = [(2, -8, 160), (3, -10, 90), (4, -12, 44)]
    branches = {
        1: [(4, -12, 46), (20, -12, 26), (36, -10, 10)],
        -1: [(2, -12, 46), (-18, -14, 24), (-42, -14, 6)],
    }
    canvas.paint(Tube(windpipe, [10.5]), 30, "trachea", wobble=0.3)
    for path in branches.values():
        canvas.paint(Tube(path, [8.5, 8, 7]), 20, "body", wobble=0.3)
    canvas.paint(Tube(windpipe, [8.8]), -990, "trachea", grain=3, wobble=0.3)
    for side, path in branches.items():
        canvas.paint(Tube(path, [7, 6.4, 5.2]), -985, "trachea", grain=3, wobble=0.3)
        for x, y, z in ((52, 6, 26), (54, -22, -20), (58, -10, 20), (50, 14, -24)):
            tip = (side * x, y, z)
            bronchus = [path[-1], np.add(path[-1], tip) / 2, tip]
            canvas.paint(Tube(bronchus, [5, 4.2, 3.4]), -200, None, wobble=0.2)
            canvas.paint(Tube(bronchus, [3.6, 3, 2.2]), -980, None, grain=3, wobble=0.2)
