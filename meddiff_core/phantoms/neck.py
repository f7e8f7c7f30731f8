"""The neck: cervical spine, muscles, vessels, airway and thyroid."""

from __future__ import annotations

import numpy as np

from meddiff_core.phantoms.canvas import Canvas
from meddiff_core.phantoms.shapes import Column, Ellipsoid, Tube
from meddiff_core.phantoms.skeleton import paint_bone, paint_spine

_AIRWAY = [(0, 16, -22), (0, 8, -46), (0, 4, -68), (0, 10, -88), (0, 10, -104), (0, 6, -124), (0, 0, -170)]


def paint_neck(canvas: Canvas) -> None:
    """Paint the neck, shoulders included as far as the field of view goes."""
    _muscles(canvas)
    names = [f"C{k}" for k in range(1, 8)] + ["T1", "T2"]
    paint_spine(canvas, names, -26, 16.5, spine_line, (10, 8.5), spinous=8)
    _vessels(canvas)
    _airway(canvas)


def spine_line(z: float) -> float:
    """y of the middle of the vertebral bodies: the cervical lordosis."""
    return -24 + 6 * np.cos((z + 84) / 38)


def _muscles(canvas: Canvas) -> None:
    neck = Column(
        [
            (-170, 0, -26, 118, 62),
            (-138, 0, -24, 88, 58),
            (-112, 0, -20, 62, 55),
            (-70, 0, -18, 58, 58),
            (-34, 0, -20, 62, 62),
            (6, 0, -18, 67, 76),
        ],
        power=2.2,
    )
    canvas.paint(neck, 20, "body")
    canvas.paint(neck.inset(2.4), -95, "body", grain=10, wobble=0.4)
    deep = Column([(-170, 0, -36, 52, 34), (-110, 0, -40, 42, 32), (-24, 0, -46, 44, 36)])
    canvas.paint(deep & neck.inset(8), 46, "body", grain=20)
    for side, name in ((1, "right"), (-1, "left")):
        trapezius = Column(
            [(-170, side * 62, -48, 50, 22), (-130, side * 42, -54, 34, 15), (-40, side * 14, -70, 14, 8)]
        )
        canvas.paint(trapezius & neck.inset(5), 54, "body", grain=12)
        back = Column(
            [(-170, side * 22, -58, 20, 14), (-90, side * 19, -50, 18, 16), (-26, side * 22, -56, 22, 16)]
        )
        canvas.paint(back & neck.inset(6), 54, f"autochthon_{name}", grain=14)
        levator = [(side * 26, -26, -36), (side * 34, -32, -90), (side * 52, -40, -140)]
        canvas.paint(Tube(levator, [8, 10, 11]), 55, "body", grain=11)
        scalenes = [(side * 18, -14, -60), (side * 26, -12, -100), (side * 44, -6, -150)]
        canvas.paint(Tube(scalenes, [7, 10, 11]), 55, "body", grain=11)
        sternomastoid = [
            (side * 54, -30, -26),
            (side * 48, -8, -70),
            (side * 34, 16, -112),
            (side * 12, 28, -150),
        ]
        canvas.paint(Tube(sternomastoid, [10, 12, 11, 8]) & neck.inset(3.5), 57, "body", grain=9)
        canvas.paint(Tube([(side * 9, 26, -86), (side * 11, 26, -130)], [5, 6]), 54, "body")  # strap muscles
        canvas.paint(Ellipsoid((side * 8, -10, -70), (7, 5, 50)), 55, "body")  # prevertebral muscles
        paint_bone(
            canvas,
            Tube([(side * 14, 22, -150), (side * 60, 14, -140), (side * 110, -16, -132)], [7]),
            f"clavicula_{name}",
        )


def _vessels(canvas: Canvas) -> None:
    for side, name in ((1, "right"), (-1, "left")):
        carotid = [(side * 30, -6, -30), (side * 28, 2, -70), (side * 22, 4, -110), (side * 20, 4, -160)]
        jugular = [(side * 38, -10, -30), (side * 37, 0, -70), (side * 32, 6, -110), (side * 30, 8, -160)]
        canvas.paint(
            Tube(carotid, [2.8, 3.6, 3.6, 3.8]), 48, f"common_carotid_artery_{name}", grain=5, wobble=0.1
        )
        canvas.paint(Tube(jugular, [4.5, 5.5, 6.5, 7]), 46, "body", grain=5, wobble=0.3)


def _airway(canvas: Canvas) -> None:
    wall = [12, 12, 11, 11, 11, 11, 11]
    canvas.paint(Tube(_AIRWAY, wall), 52, "body", grain=10)
    for side in (1, -1):
        plate = [(0, 27, -92), (side * 12, 18, -92), (side * 15, 2, -90)]
        canvas.paint(Tube(plate, [3.2, 2.4, 2.6]), 190, "body", grain=50, wobble=0.2)  # thyroid cartilage
        horn = [(0, 34, -76), (side * 12, 28, -75), (side * 19, 10, -73)]
        canvas.paint(Tube(horn, [3.4, 2.6, 2.2]), 420, "body", grain=50, wobble=0.2)  # hyoid
        canvas.paint(Ellipsoid((side * 15, 10, -122), (8, 10, 20)), 105, "thyroid_gland", grain=10)
    canvas.paint(Ellipsoid((0, 18, -118), (12, 4, 7)), 105, "thyroid_gland", grain=10)
    canvas.paint(Tube([(0, -6, -104), (2, -10, -170)], [6.5]), 42, "esophagus")
    canvas.paint(Tube(_AIRWAY[:4], [8.5, 9, 8, 5.5]), -980, "body", grain=3, wobble=0.6)
    canvas.paint(Tube(_AIRWAY[3:5], [4.5, 7]), -980, "body", grain=3, wobble=0.2)
    canvas.paint(Tube(_AIRWAY[4:], [10.5]), 40, "trachea", wobble=0.2)
    canvas.paint(Tube(_AIRWAY[4:], [8.8]), -985, "trachea", grain=3, wobble=0.2)
