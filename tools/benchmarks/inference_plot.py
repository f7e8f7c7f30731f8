"""The picture of the inference benchmark: forwards by lever, and time against body."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from meddiff_core.files import whole_file

_BAR = "#3b7dd8"
_EXTRAPOLATED = "#b9cfee"


def plot(result: Mapping, path: Path) -> None:
    """Draw what `inference.json` holds; nothing where neither levers nor scaling were run."""
    levers = result.get("levers", [])
    panels = [("levers", task) for task in dict.fromkeys(row["task"] for row in levers)]
    panels += [("scaling", "")] if result.get("scaling") else []
    if not panels:
        return
    figure = Figure(figsize=(6.6 * len(panels), 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (kind, task) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        if kind == "levers":
            _bars(axes, task, [row for row in levers if row["task"] == task])
        else:
            _lines(axes, result["scaling"])
    facts = result["facts"]
    machine = f"{facts['cpu']}, {facts['threads']} thread(s)"
    figure.suptitle(f"{facts['volume']}, {machine}; pale and ~: extrapolated", fontsize=10)
    with whole_file(path) as draft:
        figure.savefig(draft, dpi=120)


def _bars(axes: Axes, task: str, rows: Sequence[Mapping]) -> None:
    names, forwards = [row["lever"] for row in rows], [row["forwards"] for row in rows]
    colours = [_BAR if "seconds" in row else _EXTRAPOLATED for row in rows]
    bars = axes.barh(range(len(rows)), forwards, color=colours)
    labels = [f"{row['forwards']:,}, {_duration(row)}" for row in rows]
    axes.bar_label(bars, labels, padding=3, fontsize=8)
    axes.set_yticks(range(len(rows)), names, fontsize=8)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlim(0.5, max(forwards) * 60)  # room for the labels
    axes.set(title=f"{task}: calls of the network, and time", xlabel="forwards")
    axes.title.set_fontsize(10)
    axes.spines[["top", "right"]].set_visible(False)


def _duration(row: Mapping) -> str:
    seconds, mark = (row["seconds"], "") if "seconds" in row else (row["expected_seconds"], "~")
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{mark}{seconds / length:.1f} {unit}"
    return f"{mark}{seconds:.1f} s"


def _lines(axes: Axes, scaling: Mapping) -> None:
    for count, line in scaling["fit"].items():
        rows = [row for row in scaling["rows"] if row["processes"] == int(count)]
        body = np.array([row["body_voxels"] for row in rows]) / 1e6
        (points,) = axes.plot(body, [row["seconds"] for row in rows], "o", label=f"{count} process(es)")
        if line:
            ends = np.array([0, body.max()])
            seconds = line["us_per_body_voxel"] * ends + line["intercept"]
            axes.plot(ends, seconds, color=points.get_color(), linewidth=1, label=f"r$^2$ {line['r2']:.3f}")
    axes.set(title="one evaluation", xlabel="million voxels of body", ylabel="seconds")
    axes.title.set_fontsize(10)
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, frameon=False)
