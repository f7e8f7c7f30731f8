"""What a run takes, counted before it starts, and timed on two windows."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import torch

from meddiff_core.conditions.boxes import Box, box_shape
from meddiff_core.distributed import count
from meddiff_core.inferers.windowed import WindowedDenoiser

logger = logging.getLogger("meddiff")


@dataclass(frozen=True)
class Cost:
    """Calls of the network.

    Args:
        windows: number of windows of the fixed grid.
        size: voxels of such a window, as text.
        evaluations: how often the whole volume is evaluated.
        forwards: windows that go through the network, in all evaluations.
        voxels: voxels of those windows.
    """

    windows: int
    size: str
    evaluations: int
    forwards: int
    voxels: int

    @classmethod
    def of(cls, denoiser: WindowedDenoiser, evaluations: int) -> Cost:
        """The cost of `evaluations` calls of a denoiser that has not started."""
        grid = denoiser.grid
        passes = 1 if denoiser.guidance_scale == 1 else 2
        calls = [(len(windows), _voxels(windows)) for windows in denoiser.ahead(evaluations)]
        return cls(
            windows=len(grid.windows),
            size="x".join(str(n) for n in grid.roi_size),
            evaluations=evaluations,
            forwards=passes * sum(forwards for forwards, _ in calls),
            voxels=passes * sum(voxels for _, voxels in calls),
        )

    def __str__(self) -> str:
        return (
            f"{self.windows} window(s) of {self.size} voxels x {self.evaluations} step(s): "
            f"{self.forwards} network call(s) on {self.voxels / 1e6:.0f} million voxels"
        )


class DryRun:
    """Adds up what a run would take, without running it."""

    def __init__(self) -> None:
        self.forwards = 0
        self.seconds = 0.0

    def __call__(self, denoiser: WindowedDenoiser, cost: Cost) -> Callable[..., torch.Tensor]:
        """Count a part of a run; a stand-in for its denoiser comes back."""
        self.forwards += cost.forwards
        self.seconds += (
            cost.voxels * seconds_per_voxel(denoiser) / (count() if denoiser.runtime.split_windows else 1)
        )
        minutes, seconds = divmod(round(self.seconds), 60)
        logger.info(
            "So far %d network call(s), about %d:%02d:%02d h, from two measured windows.",
            self.forwards,
            *divmod(minutes, 60),
            seconds,
        )
        return lambda x_t, *_: torch.zeros_like(x_t)


def seconds_per_voxel(denoiser: WindowedDenoiser) -> float:
    """Time of one evaluation of a window, without guidance, per voxel: the second of two."""
    windows = denoiser.grid.windows[: denoiser.windows.batch]
    if not windows:
        return 0.0
    x_t = torch.zeros(1, 1, *denoiser.grid.padded)
    for _ in range(2):
        begin = time.perf_counter()
        denoiser.predict(x_t, 500, windows).cpu()  # waits for a GPU
        seconds = time.perf_counter() - begin
    passes = 1 if denoiser.guidance_scale == 1 else 2
    return seconds / passes / _voxels(windows)


def _voxels(windows: list[Box]) -> int:
    return sum(prod(box_shape(window)) for window in windows)
