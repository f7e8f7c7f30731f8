"""What a page can lay over a CT: masks, maps, anatomy and the change, each with its colours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from matplotlib.colors import Colormap, LinearSegmentedColormap, to_hex

from meddiff_core.conditions.regions import HUWindow
from meddiff_core.reports.anatomy_colours import ANATOMY_SCALE
from meddiff_core.reports.anomaly_picture import HEAT
from meddiff_core.reports.canvas import WARNING
from meddiff_core.reports.change_picture import change_limit
from meddiff_core.reports.page_volumes import Frame, packed, shares

_LEVELS = 256
_MASK_COLOURS = (WARNING, "#4fb3a5", "#5aa9ff")
_CHANGE = LinearSegmentedColormap.from_list(
    "change", ["#7fd4ffff", "#1f6fb2d0", "#00000000", "#c4551ad0", "#ffd08aff"]
)


def overlay_scenes(
    overlays: Mapping[str, np.ndarray], frame: Frame, hu_window: HUWindow
) -> Iterator[dict[str, Any]]:
    """What the page's script needs to draw each overlay; the first is shown at once, but no label map.

    Args:
        overlays: name and volume `(X, Y, Z)`: a mask (0 and 1), a label map (whole numbers) or a map in HU.
        frame: the part that is shown.
        hu_window: HU window of the region; a map's colours reach at least as far as those of a change.
    """
    masks = 0
    for index, (name, values) in enumerate(overlays.items()):
        scene = {"name": name, "shown": index == 0, "opacity": 0.45}
        if is_mask(values):
            data = packed(frame.highest(values > 0).astype(np.uint8))
            yield scene | {"data": data, "outline": _MASK_COLOURS[masks % len(_MASK_COLOURS)], "opacity": 0.9}
            masks += 1
        elif _is_label_map(values):
            labels = packed(frame.nearest(values).astype(np.uint8))
            yield scene | {"shown": False, "data": labels, "colours": _label_colours()}
        else:
            top = max(change_limit(hu_window), float(values.max()))
            data = packed(shares(frame.highest(values), top))
            span = {"note": f"0 to {top:.0f} HU", "colours": _colours(HEAT), "opacity": 0.8}
            yield scene | {"data": data} | span


def change_scene(hu_window: HUWindow) -> dict[str, Any]:
    """The difference of two CTs, which the page computes."""
    limit = change_limit(hu_window)
    note = f"blue lower, orange higher, up to {limit:.0f} HU"
    colours = {"limit": limit, "colours": _colours(_CHANGE)}
    return {"name": "change", "note": note, "shown": False, "opacity": 0.9} | colours


def is_mask(values: np.ndarray) -> bool:
    """Whether a volume holds 0 and 1 only."""
    return bool(((values == 0) | (values == 1)).all())


def _is_label_map(values: np.ndarray) -> bool:
    return bool((values == np.rint(values)).all() and values.min() >= 0 and values.max() < _LEVELS)


def _colours(scale: Colormap) -> list[str]:
    return [to_hex(scale(level / (_LEVELS - 1)), keep_alpha=True) for level in range(_LEVELS)]


def _label_colours() -> list[str]:
    colours = ANATOMY_SCALE.to_rgba(np.arange(1, _LEVELS))
    return ["#00000000"] + [to_hex(colour, keep_alpha=True) for colour in colours]
