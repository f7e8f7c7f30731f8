"""What stands below the pictures of a page: the run, its options, and where the result comes from."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from meddiff_core.reports.page_overlays import is_mask
from meddiff_core.reports.page_volumes import HU_RANGE, Frame, mask_sizes

_UNITS = {"noise_level": " HU"}


def page_title(record: Mapping[str, Any]) -> str:
    """Bundle and the name of the file that was given to it."""
    return f"{record['bundle']}: {record['input']}"


def page_tables(
    record: Mapping[str, Any],
    volumes: Mapping[str, np.ndarray],
    overlays: Mapping[str, np.ndarray],
    spacing: Sequence[float],
    frame: Frame,
) -> str:
    """Tables in HTML, every word escaped: the scan, its findings where the record has some, options, origin.

    Args:
        record: of `Results.record`, with the `findings` of `Findingsd` where there are some.
        volumes: title and CT `(X, Y, Z)` in HU.
        overlays: title and mask or map, same shape.
        spacing: voxel size in mm.
        frame: the part of them that the page shows.
    """
    shape = next(iter(volumes.values())).shape
    scan = {
        "input": record["input"],
        "size": f"{_times(shape)} voxels of {_times(f'{size:.3g}' for size in spacing)} mm",
        "shown here": _shown(shape, spacing, frame),
    }
    scan |= {_words(name): f"{_value(value)}{_UNITS.get(name, '')}" for name, value in record["scan"].items()}
    if len(volumes) == 2:
        scan["change"] = _change(*volumes.values())
    scan |= mask_sizes({name: mask for name, mask in overlays.items() if is_mask(mask)}, spacing)
    origin = {
        _words(name): value
        for name, value in record.items()
        if name not in ("input", "scan", "options", "findings")
    }
    options = {_words(name): value for name, value in record["options"].items()}
    found = {"Findings": findings} if (findings := dict(map(_finding, record.get("findings", ())))) else {}
    parts = {"This scan": scan} | found | {"Options": options, "Where it comes from": origin}
    return "\n".join(_table(heading, rows) for heading, rows in parts.items())


def _finding(row: Mapping[str, Any]) -> tuple[str, str]:
    """Number of a finding, and what was measured."""
    voxel, mm = (", ".join(map(str, row[name])) for name in ("voxel", "mm"))
    measured = f"score {row['score']:g}, {row['ml']:g} ml, mean {row['mean_hu']:g} HU"
    return str(row["number"]), f"{measured}, voxel ({voxel}), RAS ({mm}) mm"


def _shown(shape: Sequence[int], spacing: Sequence[float], frame: Frame) -> str:
    """What the page leaves out."""
    parts = []
    if any(along != slice(0, n) for along, n in zip(frame.box, shape, strict=True)):
        parts.append("the body and what is marked, with a margin")
    if max(frame.steps) > 1:
        sizes = [f"{size * step:.3g}" for size, step in zip(spacing, frame.steps, strict=True)]
        parts.append(f"means of {_times(frame.steps)} voxels ({_times(sizes)} mm), to keep the page small")
    low, high = HU_RANGE
    return "; ".join([*(parts or ["everything"]), f"HU from {low} to {high}"])


def _change(before: np.ndarray, after: np.ndarray) -> str:
    change = np.subtract(after, before, dtype=np.float32)
    inside = change[before > -500]
    if not inside.size:
        return "no tissue"
    return f"mean {inside.mean():+.1f} HU, standard deviation {inside.std():.1f} HU (voxels above -500 HU)"


def _table(heading: str, rows: Mapping[str, Any]) -> str:
    lines = "".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(_value(value))}</td></tr>"
        for name, value in rows.items()
        if value not in ("", {}, None) or heading == "Options"
    )
    return f"<section><h2>{heading}</h2><table>{lines}</table></section>"


def _value(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_value(item)}" for name, item in value.items())
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value)


def _words(name: str) -> str:
    return name.replace("_", " ").replace("sha256", "SHA-256")


def _times(values: Iterable) -> str:
    return " x ".join(str(value) for value in values)
