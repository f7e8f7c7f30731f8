"""Draw the curves of a training from its TensorBoard logs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from meddiff_core.errors import InputError
from meddiff_core.files import whole_file


def plot_training(log_dir: str, output: str) -> None:
    """Write a PNG with the training loss and the validation PSNR.

    Args:
        log_dir: the training's output_dir.
        output: the PNG to write.
    """
    curves = read_curves(Path(log_dir))
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    for axis, (tag, steps, values) in zip(
        figure.subplots(1, len(curves), squeeze=False)[0], curves, strict=True
    ):
        axis.plot(steps, values, linewidth=0.5, alpha=0.35 if len(values) > 200 else 1)
        if len(values) > 200:  # a running mean over the noise of single batches
            width = len(values) // 50
            axis.plot(steps[width - 1 :], np.convolve(values, np.ones(width) / width, "valid"))
        axis.set(title=tag, xlabel="iteration" if len(values) > 200 else "epoch")
        axis.grid(alpha=0.3)
    with whole_file(output) as draft:
        figure.savefig(draft, dpi=120)
    print(f"Wrote {output}")


def read_curves(log_dir: Path) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """All scalar curves in a folder's event files: tag, steps, values; a resumed run continues its curve."""
    merged: dict[str, dict[int, float]] = {}
    for file in sorted(log_dir.glob("events.out.tfevents*"), key=lambda path: path.stat().st_mtime):
        events = EventAccumulator(str(file), size_guidance={"scalars": 0})
        events.Reload()
        for tag in events.Tags()["scalars"]:
            merged.setdefault(tag, {}).update({event.step: event.value for event in events.Scalars(tag)})
    if not merged:
        raise InputError(f"{log_dir} holds no TensorBoard curves: give the output_dir of a training.")
    return [
        (tag, np.array(sorted(points)), np.array([points[step] for step in sorted(points)]))
        for tag, points in sorted(merged.items())
    ]
