"""What the script of a page needs: the volumes packed, where they lie, and how they are shown at first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from meddiff_core.conditions.lesion_shape import largest_part
from meddiff_core.conditions.regions import HUWindow, region_window
from meddiff_core.reports.page_overlays import change_scene, is_mask, overlay_scenes
from meddiff_core.reports.page_volumes import Frame, packed
from meddiff_core.reports.planes import body_centre, inner_voxel

# Level and width as usual at viewing stations.
_PRESETS = {
    "lung": HUWindow(-600, 1500),
    "soft tissue": HUWindow(40, 400),
    "bone": HUWindow(400, 1800),
    "brain": HUWindow(40, 80),
}


def page_scene(
    volumes: Mapping[str, np.ndarray],
    overlays: Mapping[str, np.ndarray],
    frame: Frame,
    spacing: Sequence[float],
    region: str,
) -> dict[str, Any]:
    """Scene of a page, ready for JSON.

    Args:
        volumes: title and CT `(X, Y, Z)` in HU; one, or two to compare.
        overlays: title and mask, label map or map in HU, same shape.
        frame: the part of them that is shown.
        spacing: voxel size in mm.
        region: name of the region whose window is shown first.
    """
    hu_window = region_window(region)
    presets = {region.replace("_", " "): hu_window} | _PRESETS
    layers = list(overlay_scenes(overlays, frame, hu_window))
    if len(volumes) == 2:
        layers.append(change_scene(hu_window))
    start = frame.inside(_start(volumes, overlays, spacing))
    return {
        "shape": frame.shape,
        "spacing": [float(size) * step for size, step in zip(spacing, frame.steps, strict=True)],
        "origin": frame.origin,
        "steps": frame.steps,
        "start": start,
        "presets": [{"name": n, "level": p.level, "width": p.width} for n, p in presets.items()],
        "scans": [{"name": name, "data": packed(frame.means(hu))} for name, hu in volumes.items()],
        "overlays": layers,
    }


def _start(
    volumes: Mapping[str, np.ndarray], overlays: Mapping[str, np.ndarray], spacing: Sequence[float]
) -> tuple[int, ...]:
    """The first overlay's largest part or maximum; the body's middle without one."""
    first = next(iter(overlays.values()), None)
    if first is not None and first.any():
        if is_mask(first):
            return inner_voxel(largest_part(first > 0)[0])
        if (first != np.rint(first)).any():
            return tuple(int(index) for index in np.unravel_index(first.argmax(), first.shape))
    return body_centre(next(iter(volumes.values())), spacing)
