"""Options by the names that users type, gathered in the objects that the code takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from meddiff_core.inferers.volume import Volume
from meddiff_core.inferers.windowed import WindowedDenoiser
from meddiff_core.inferers.windows import Runtime, Windows

_WINDOWS = {
    "window_size": "size",
    "overlap": "overlap",
    "window_batch": "batch",
    "moving_windows": "moving",
    "skip_air": "skip_air",
}
_RUNTIME = ("device", "precision", "memory_limit", "split_windows", "dry_run", "progress")


def grouped(**options: Any) -> dict[str, Any]:
    """Arguments of an inferer: those of windows and runtime in their objects, without a bar."""
    windows = {field: options.pop(name) for name, field in _WINDOWS.items() if name in options}
    runtime = {name: options.pop(name) for name in _RUNTIME if name in options}
    return options | {"windows": Windows(**windows), "runtime": Runtime(**{"progress": False} | runtime)}


def windowed(
    network: Callable, shape: tuple[int, ...], region: str = "unknown", **options: Any
) -> WindowedDenoiser:
    """A denoiser of a volume of `shape`, in windows of 96 voxels; `options` may be the volume's, too."""
    options = grouped(**{"window_size": 96} | options)
    parts = {name: options.pop(name) for name in ("axes", "known") if name in options}
    volume = Volume(
        torch.zeros(()).expand(1, 1, *shape), options.pop("conditions", None), region, {}, **parts
    )
    return WindowedDenoiser(network, volume, **options)
