"""What each lever on speed is worth, switched on one after the other from the plain recipe on."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from unittest import mock

import torch
from benchmarks.inference_network import DefaultLayout, TimedNetwork
from benchmarks.inference_tasks import Task

from meddiff_core.conditions.regions import WIDEST
from meddiff_core.inferers.cost import Cost, seconds_per_voxel
from meddiff_core.inferers.windowed import WindowedDenoiser

Setting = dict[str, Any]
"""Attributes of an inferer, and those below.

`times`: so often is everything to be done. `evened`, `channels_last`: as the library has it, or not.
`wide_alone`: synthesis in the widest window alone, without our second round in that of the region.
"""

_NOT_OF_THE_INFERER = ("times", "evened", "channels_last", "wide_alone")

PLAIN: Setting = {
    "roi_size": 128,
    "overlap": 0.5,
    "skip_air": False,
    "moving_windows": False,
    "precision": "float32",
    "evened": False,
    "channels_last": False,
}
"""The windows of the plain recipe: MedDiff-FM's patches of 128^3 on MONAI's grid."""

_LAYOUT = [
    ("channels last in memory", {"channels_last": True}),
    ("bfloat16 where the hardware computes in it", {"precision": "auto"}),
]
_WINDOWS = [
    ("windows evened out", {"evened": True}),
    ("overlap 0.125", {"overlap": 0.125}),
    ("window size by device and memory", {"roi_size": "auto"}),
    ("skip air", {"skip_air": True}),
    ("moving windows", {"moving_windows": True}),
]
_PRESETS = [("preset balanced, as the bundle comes", "balanced"), ("preset fast", "fast")]

LEVERS: dict[str, list[tuple[str, Setting | str]]] = {
    # one step, a thousand times: the inferer itself never starts before the noise's own timestep
    "denoising": [
        ("plain: 1000 steps, 128^3, overlap 0.5", PLAIN | {"steps": 1, "times": 1000}),
        *_LAYOUT,
        ("all timesteps from the noise's own on", {"steps": 1000, "times": 1}),
        ("10 steps", {"steps": 10}),
        *_WINDOWS,
        ("1 step", {"steps": 1}),
        *_PRESETS,
    ],
    "synthesis": [
        (
            "plain: 1000 steps, 128^3, overlap 0.5",
            PLAIN | {"steps": 1000, "coarse_to_fine": False, "guidance_scale": 1.0, "wide_alone": True},
        ),
        *_LAYOUT,
        ("50 steps, then the region's own window", {"steps": 50, "wide_alone": False}),
        ("15 steps", {"steps": 15}),
        *_WINDOWS,
        ("coarse to fine", {"coarse_to_fine": True}),
        *_PRESETS,
    ],
}
"""By task: names, and what changes against the row before, or a preset, which has nothing of that row."""


class Tally:
    """Stands where an inferer has its rehearsal; adds up what its evaluations cost.

    Args:
        timed: measure two windows of each, too.
    """

    def __init__(self, timed: bool) -> None:
        self.timed = timed
        self.forwards = self.voxels = 0
        self.seconds = 0.0
        self.windows: Sequence[tuple[slice, ...]] = ()

    def __call__(self, denoiser: WindowedDenoiser, cost: Cost) -> Callable[..., torch.Tensor]:
        self.forwards += cost.forwards
        self.voxels += int(cost.voxels)
        self.windows = denoiser.grid.windows
        if self.timed:
            self.seconds += cost.voxels * seconds_per_voxel(denoiser)
        return lambda x_t, t: torch.zeros_like(x_t)


def lever_rows(task: Task, longest: float) -> Iterator[dict]:
    """A row per lever: forwards, voxels, seconds, quality; extrapolated where a run would take too long.

    Args:
        task: the volume and what is done with it.
        longest: seconds; what two measured windows let expect more is not run.
    """
    setting: Setting = {}
    for name, changes in LEVERS[task.name]:
        setting = preset(task, changes) if isinstance(changes, str) else setting | changes
        tally = rehearse(task, setting)
        times = setting.get("times", 1)
        row = {
            "task": task.name,
            "lever": name,
            "forwards": tally.forwards * times,
            "voxels": tally.voxels * times,
            "expected_seconds": tally.seconds * times,
        }
        if times == 1 and tally.seconds <= longest:
            network, seconds, result = run(task, setting)
            row |= {"forwards": network.forwards, "voxels": network.voxels, "seconds": seconds}
            row |= task.quality(result, tally.windows)
        yield row


def preset(task: Task, name: str) -> Setting:
    """The options of a bundle's preset, by the names that they have in an inferer."""
    return {{"window_size": "roi_size"}.get(key, key): value for key, value in task.presets[name].items()}


def rehearse(task: Task, setting: Setting, timed: bool = True) -> Tally:
    """What a setting costs, without running it."""
    inferer = _inferer(task, setting)
    inferer.rehearsal = tally = Tally(timed)
    with _grid(setting):
        inferer(task.inputs, _network(task, setting))
    return tally


def run(task: Task, setting: Setting) -> tuple[TimedNetwork, float, torch.Tensor]:
    """The network with its counts, seconds of wall clock, and the result."""
    inferer, network = _inferer(task, setting), TimedNetwork(_network(task, setting))
    with _grid(setting):
        begin = time.perf_counter()
        result = inferer(task.inputs, network)
        return network, time.perf_counter() - begin, result


def _inferer(task: Task, setting: Setting) -> Any:
    inferer = copy.copy(task.inferer)
    for name, value in setting.items():
        if name not in _NOT_OF_THE_INFERER:
            getattr(inferer, name)  # a misspelt one must not pass
            setattr(inferer, name, value)
    if setting.get("wide_alone", False):
        inferer.region = WIDEST
    return inferer


def _network(task: Task, setting: Setting) -> Any:
    return task.network if setting.get("channels_last", True) else DefaultLayout(task.network)


def _grid(setting: Setting) -> AbstractContextManager:
    """Without `evened` windows are as large as is allowed, as MONAI's are: nobody else wants that switch."""
    if setting.get("evened", True):
        return nullcontext()
    return mock.patch("meddiff_core.inferers.window_grid._evened", lambda size, roi, overlap, divisor: roi)
