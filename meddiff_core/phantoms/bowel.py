"""Stomach and bowel with their content: fluid behind, gas in front, as in a patient who lies on the back."""

from __future__ import annotations

import numpy as np

from meddiff_core.phantoms.canvas import Canvas
from meddiff_core.phantoms.shapes import HalfSpace, Tube

_GAS_HU = -985.0


def paint_stomach(canvas: Canvas) -> None:
    """Stomach with an air-fluid level."""
    points = [
        (-46, -14, 118),
        (-66, 8, 96),
        (-66, 34, 66),
        (-44, 54, 40),
        (-6, 58, 30),
        (20, 46, 34),
        (34, 36, 36),
    ]
    radii = np.array([24, 33, 31, 23, 16, 13, 10])
    canvas.paint(Tube(points, radii), 72, "stomach", wobble=0.8)
    lumen = Tube(points, radii - 5)
    canvas.paint(lumen, 22, "stomach", grain=12, wobble=0.8)
    canvas.paint(lumen & HalfSpace((0, 44, 0), (0, -1, 0)), _GAS_HU, "stomach", grain=3, wobble=0.4)


def paint_duodenum(canvas: Canvas) -> None:
    """The C around the head of the pancreas."""
    points = [(36, 36, 36), (58, 16, 34), (60, 2, 8), (50, -2, -20), (14, 4, -26), (-24, 6, -8)]
    canvas.paint(Tube(points, [12]), 75, "duodenum", wobble=0.8)
    canvas.paint(Tube(points, [9]), 25, "duodenum", grain=14, wobble=0.8)


def paint_small_bowel(canvas: Canvas, rng: np.random.Generator) -> None:
    """Loops that fill the middle of the abdomen, with folds that enhance and a little gas."""
    for z in np.arange(-14, -165, -23.0):
        for y in (52.0, 28.0, 4.0):
            if y < 20 and z > -60:
                continue
            ends = rng.uniform(54, 78) - (14 if y < 10 else 0)
            xs = np.linspace(-ends, ends, rng.integers(6, 10)) * rng.choice((-1, 1))
            phase, swing = rng.uniform(0, 6, 2), rng.uniform(5, 13, 2)
            k = np.arange(len(xs))
            ys = y + swing[0] * 0.6 * np.sin(1.9 * k + phase[0]) + rng.normal(0, 2, len(xs))
            zs = z + swing[1] * np.sin(2.5 * k + phase[1]) + rng.normal(0, 4, len(xs))
            points = np.stack([xs, ys, zs], axis=1)
            radii = rng.uniform(8.5, 14, len(points))
            canvas.paint(Tube(points, radii), 92, "small_bowel", grain=12, wobble=1.2)
            canvas.paint(Tube(points, radii - 2.6), rng.uniform(15, 45), "small_bowel", grain=22, wobble=1.2)
            if rng.random() < 0.3 and y > 30:
                at = rng.integers(1, 5)
                gas = Tube(points[at : at + 2] + np.array((0, 5, 0)), [4.0, 3.0])
                canvas.paint(gas, _GAS_HU, "small_bowel", grain=3, wobble=0.8)


def paint_colon(canvas: Canvas, rng: np.random.Generator) -> None:
    """Ascending, transverse and descending colon with haustra, stool and gas."""
    right = [(92, 4, -118), (96, 2, -84), (98, 0, -50), (98, -4, -16), (92, 8, 4)]
    across = [
        (84, 30, 6),
        (62, 58, -2),
        (30, 68, -10),
        (-4, 70, -12),
        (-40, 66, -4),
        (-72, 52, 16),
        (-96, 24, 40),
    ]
    left = [
        (-106, -12, 38),
        (-106, -22, 6),
        (-106, -22, -30),
        (-104, -18, -66),
        (-98, -4, -104),
        (-80, 12, -140),
        (-50, 14, -165),
    ]
    fine = Tube([*right, *across, *left], [1.0], steps=5).path()[0]
    along = np.arange(len(fine))
    size = np.interp(along / len(fine), [0, 0.25, 0.55, 0.7, 1], [25, 21, 18, 14, 13])
    radii = size * (1 + 0.16 * np.sin(along * 1.35)) * rng.uniform(0.93, 1.07, len(fine))
    canvas.paint(Tube(fine, radii, steps=1), 58, "colon", wobble=0.8)
    lumen = Tube(fine, radii - 3, steps=1)
    canvas.paint(lumen, 15, "colon", grain=70, wobble=0.8)
    for k in range(0, len(fine) - 9, 9):
        part = slice(k, k + 10)
        gas = Tube(fine[part], radii[part] - 3.2, steps=1)
        level = fine[part, 1].mean() + radii[k] * rng.uniform(-0.8, 0.8)
        canvas.paint(gas & HalfSpace((0, level, 0), (0, -1, 0)), _GAS_HU, "colon", grain=4, wobble=0.8)
