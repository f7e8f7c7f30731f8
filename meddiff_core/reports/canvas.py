"""The figure that pictures are drawn on: a row per plane, a column per way to look at the volume."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.legend_handler import HandlerTuple
from matplotlib.patheffects import withStroke

from meddiff_core.conditions.regions import WIDEST_WINDOW, HUWindow
from meddiff_core.files import whole_file
from meddiff_core.reports.planes import PLANE_SIDES, Planes

BACKGROUND, TEXT, MUTED = "#0b0d10", "#e8eaed", "#8b929b"
WARNING = "#ffb454"
"""For what nobody may take for a patient's scan."""

_CAPTION = "MedDiff-FM. For research use only, not for diagnosis. The patient's right is on the left."
_DPI = 130
# All in inches.
_CELL, _GAP, _LEFT, _TOP, _BOTTOM = 3.14, 0.06, 0.4, 0.55, 0.95
_MAX_HEIGHT = 14.0

Images = Sequence[np.ndarray]


def grey_scale(hu_window: HUWindow) -> ScalarMappable:
    """Grey levels of a display window."""
    return ScalarMappable(Normalize(hu_window.lower, hu_window.upper), "gray")


def window_name(hu_window: HUWindow) -> str:
    """What a window is for, with its level and width."""
    name = "wide window" if hu_window == WIDEST_WINDOW else "soft-tissue window"
    return f"{name}, level {hu_window.level:g}, width {hu_window.width:g}"


class Canvas:
    """A dark figure; rows are as high as their planes need at the common width.

    Args:
        planes: what is shown; `planes.cut` makes the images of a column.
        columns: how many ways to look at them.
    """

    def __init__(self, planes: Planes, columns: int) -> None:
        heights = [aspect * _CELL for aspect in planes.aspects]
        # Long scans make tall rows: shrink those, they are centred in their cell.
        room = (_MAX_HEIGHT - _TOP - _BOTTOM - 3 * _GAP) / sum(heights)
        heights = [min(1.0, room) * height for height in heights]
        self.width = _LEFT + columns * (_CELL + _GAP)
        self.height = _TOP + _BOTTOM + sum(heights) + 3 * _GAP
        self.figure = Figure(figsize=(self.width, self.height))
        FigureCanvasAgg(self.figure)
        self.pixel_aspects = planes.pixel_aspects
        bottoms = self.height - _TOP - np.cumsum(heights) - _GAP * np.arange(3)
        self.axes = [
            [self._cell(column, *place) for column in range(columns)]
            for place in zip(bottoms, heights, strict=True)
        ]
        for line, label, sides in zip(self.axes, planes.labels, PLANE_SIDES, strict=True):
            line[0].set_ylabel(label, color=MUTED, fontsize=9)
            for side, place, alignment in zip(sides, (0.02, 0.98), ("left", "right"), strict=True):
                letter = line[0].text(place, 0.5, side, color=MUTED, fontsize=8, ha=alignment, va="center")
                letter.set(
                    transform=line[0].transAxes, path_effects=[withStroke(linewidth=2, foreground=BACKGROUND)]
                )

    def title(self, column: int, text: str, note: str = "", color: str = TEXT) -> None:
        """Head a column; the note stands below in small type."""
        axis = self.axes[0][column]
        axis.set_title(text, color=color, fontsize=11, fontweight="bold", pad=18 if note else 8)
        axis.annotate(
            note, (0.5, 1), (0, 5), "axes fraction", "offset points", color=MUTED, fontsize=8, ha="center"
        )

    def show(
        self, column: int, images: Images, scale: ScalarMappable, interpolation: str = "bilinear"
    ) -> None:
        """Draw the three images into a column, over what is there."""
        for line, image, aspect in zip(self.axes, images, self.pixel_aspects, strict=True):
            line[column].imshow(
                image, cmap=scale.cmap, norm=scale.norm, aspect=aspect, interpolation=interpolation
            )

    def outline(self, column: int, masks: Images, **style) -> None:
        """Draw the outlines of three masks over a column; the style is that of `Axes.contour`."""
        for line, mask in zip(self.axes, masks, strict=True):
            if mask.min() < mask.max():
                line[column].contour(mask, levels=[0.5], **style)

    def bar(self, first: int, last: int, scale: ScalarMappable, label: str) -> None:
        """A colour bar below the columns that it explains."""
        left, right = (self._left(column) for column in (first, last + 1))
        inset = (right - left) * 0.2
        place = self._place(left + inset, _BOTTOM - 0.2, right - left - 2 * inset, 0.08)
        bar = self.figure.colorbar(scale, cax=self.figure.add_axes(place), orientation="horizontal")
        bar.outline.set_visible(False)
        bar.ax.set_facecolor(BACKGROUND)  # shows through transparent colours
        bar.ax.tick_params(colors=MUTED, labelsize=8, length=2)
        bar.set_label(label, color=MUTED, fontsize=8, labelpad=1)

    def legend(self, column: int, handles: Sequence[Artist | tuple[Artist, ...]], names: list[str]) -> None:
        """Name colours below a column; a tuple of handles stands side by side."""
        x, y, _, _ = self._place(self._left(column) + _CELL / 2, _BOTTOM - 0.06, 0, 0)
        self.figure.legend(
            handles,
            names,
            loc="upper center",
            bbox_to_anchor=(x, y),
            ncols=min(3, len(names)),
            handler_map={tuple: HandlerTuple(ndivide=None, pad=0)},
            labelcolor=MUTED,
            fontsize=8,
            frameon=False,
            borderpad=0,
            borderaxespad=0,
            columnspacing=1.4,
        )

    def save(self, path: str | Path) -> None:
        """Write the PNG. Raises `InputError` where that is not possible."""
        centre = {"ha": "center", "va": "bottom"}
        self.figure.text(0.5, 0.12 / self.height, _CAPTION, color=MUTED, fontsize=7.5, **centre)
        with whole_file(path) as draft:
            self.figure.savefig(draft, dpi=_DPI, facecolor=BACKGROUND)

    def _cell(self, column: int, bottom: float, height: float):
        axis = self.figure.add_axes(self._place(self._left(column), bottom, _CELL, height))
        axis.set(xticks=[], yticks=[], facecolor=BACKGROUND)
        axis.spines[:].set_visible(False)
        return axis

    def _left(self, column: int) -> float:
        return _LEFT + column * (_CELL + _GAP)

    def _place(self, x: float, y: float, width: float, height: float) -> tuple[float, ...]:
        """Inches to shares of the figure."""
        return x / self.width, y / self.height, width / self.width, height / self.height
