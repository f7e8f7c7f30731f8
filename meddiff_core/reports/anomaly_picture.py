"""The picture beside an anomaly map: the organ, the map and the mask over the CT."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.lines import Line2D

from meddiff_core.conditions.regions import HUWindow
from meddiff_core.reports.canvas import Canvas, grey_scale, window_name
from meddiff_core.reports.planes import Planes, inner_voxel, middle

HEAT = LinearSegmentedColormap.from_list(
    "heat", ["#a0304000", "#c8322fa0", "#f07a1ed0", "#ffd24af0", "#fff6c8ff"]
)
"""Colours of a map of anomalies: zero is transparent, and so is what is less anomalous than expected."""

# Where nothing is found the scale is that of large changes, so that noise alone does not light up.
_HEAT_SHARE = 1 / 6
_ORGAN = {"colors": "#4fb3a5", "linewidths": 0.7}
# The true outline shows on both sides of one that coincides with it.
_LESION = {"colors": "#5aa9ff", "linewidths": 3.0}
_FOUND = {"colors": "#ffb454", "linewidths": 1.3}


def anomaly_picture(
    ct: np.ndarray,
    score_map: np.ndarray,
    mask: np.ndarray,
    organ: np.ndarray,
    hu_window: HUWindow,
    path: str | Path,
    lesion: np.ndarray | None = None,
    spacing: Sequence[float] = (1.0, 1.0, 1.0),
) -> None:
    """Draw planes through the first finding, or through the map's maximum where the mask is empty.

    Args:
        ct: `(X, Y, Z)` in HU, axes towards right, anterior, superior.
        score_map: anomaly in HU, same shape; higher = more anomalous.
        mask: the findings by number from 1 on, 0 elsewhere, same shape.
        organ: where they are sought, nonzero within, same shape.
        hu_window: HU window of the CT.
        path: PNG to write.
        lesion: true lesions, nonzero within; outlined where given.
        spacing: voxel size in mm.

    Raises:
        InputError: the file cannot be written.
    """
    count, first = int(mask.max()), mask == 1
    mask, organ = mask > 0, organ > 0
    if count:
        centre, top = inner_voxel(first), float(score_map[first].max())
        note = f"{count} found, planes through number 1"
    else:
        centre, top = _highest_voxel(score_map, organ), hu_window.width * _HEAT_SHARE
        note = "nothing found, planes through the map's maximum"
    planes = Planes(ct.shape, spacing, centre)
    grey, heat = grey_scale(hu_window), ScalarMappable(Normalize(0, max(1.0, top)), HEAT)

    canvas = Canvas(planes, columns=3)
    for column in range(3):
        canvas.show(column, planes.cut(ct), grey)
    canvas.title(0, "CT and organ", window_name(hu_window))
    canvas.outline(0, planes.cut(organ), **_ORGAN)
    canvas.title(1, "anomaly map", "difference from the expected CT")
    canvas.show(1, planes.cut(score_map), heat)
    canvas.title(2, "anomaly mask", note)
    outlines = {"anomaly": (mask, _FOUND)}
    if lesion is not None:
        outlines = {"true lesion": (lesion > 0, _LESION)} | outlines
    for outlined, style in outlines.values():
        canvas.outline(2, planes.cut(outlined), **style)
    canvas.bar(0, 0, grey, "HU")
    canvas.bar(1, 1, heat, "anomaly in HU")
    styles = {"organ": _ORGAN} | {name: style for name, (_, style) in outlines.items()}
    canvas.legend(2, [_line(**style) for style in styles.values()], list(styles))
    canvas.save(path)


def _highest_voxel(score_map: np.ndarray, organ: np.ndarray) -> tuple[int, ...]:
    """The map's maximum within the organ; the volume's middle without an organ."""
    if not organ.any():
        return middle(organ)
    highest = np.where(organ, score_map, -np.inf).argmax()
    return tuple(int(index) for index in np.unravel_index(highest, organ.shape))


def _line(colors: str, linewidths: float) -> Line2D:
    return Line2D([], [], color=colors, linewidth=linewidths)
