"""How a volume is cut into windows, and what they run on: the two groups of options that all tasks share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from meddiff_core.distributed import rank
from meddiff_core.errors import InputError, check_count, check_flag, check_number
from meddiff_core.inferers.precision import check_precision
from meddiff_core.inferers.presets import choose_preset

PRESETS: dict[str, dict[str, Any]] = {
    "fast": {"overlap": 0.0},
    "balanced": {},
    "paper": {"size": 128, "overlap": 0.5, "moving": False, "skip_air": False},
}
"""What the presets say about windows; what they do not name has its default."""


@dataclass(frozen=True)
class Windows:
    """How a volume is cut into windows.

    Args:
        size: largest window in voxels; `auto` is 96 on a CPU, where larger ones are slower per voxel, and as
            large as memory allows on a GPU.
        overlap: share of a window that neighbours share, in [0, 1).
        batch: windows per call of the network.
        moving: in all steps but the last, windows do not overlap and lie elsewhere each time: fewer windows,
            and no seam is made twice in the same place.
        skip_air: leave out windows that hold only air, and all else where the network is not needed.

    Raises:
        InputError: for an option outside its range.
    """

    size: Sequence[int] | int | str = "auto"
    overlap: float = 0.125
    batch: int = 1
    moving: bool = True
    skip_air: bool = True

    def __post_init__(self) -> None:
        _check_size(self.size)
        check_number("overlap", self.overlap, "at least 0 and less than 1", lambda v: 0 <= v < 1)
        check_count("window_batch", self.batch)
        object.__setattr__(self, "batch", int(self.batch))
        object.__setattr__(self, "moving", check_flag("moving_windows", self.moving))
        object.__setattr__(self, "skip_air", check_flag("skip_air", self.skip_air))

    @classmethod
    def of(cls, preset: str, **options: Any) -> Windows:
        """The windows of a preset, but for the options that are given and not None.

        Raises:
            InputError: for an unknown preset, or an option outside its range.
        """
        given = {name: value for name, value in options.items() if value is not None}
        return cls(**choose_preset(PRESETS, preset) | given)

    @property
    def options(self) -> dict[str, Any]:
        """The options by the names that users type."""
        return {
            "overlap": self.overlap,
            "window_size": self.size,
            "window_batch": self.batch,
            "moving_windows": self.moving,
            "skip_air": self.skip_air,
        }


@dataclass(frozen=True)
class Runtime:
    """What a run runs on.

    Args:
        device: where the network lies; volumes stay where they are. Default: where the volume lies.
        precision: what the network runs in, see `network_autocast`.
        memory_limit: GB that a run may take on the device of the network; default what is free.
        split_windows: share the windows among the processes of `torch.distributed`.
        dry_run: only say what a run would take, from two measured windows; the result is meaningless.
        progress: show a bar.

    Raises:
        InputError: for an option outside its range.
    """

    device: torch.device | str | None = None
    precision: str = "auto"
    memory_limit: float | None = None
    split_windows: bool = False
    dry_run: bool = False
    progress: bool = True

    def __post_init__(self) -> None:
        check_precision(self.precision)
        if self.memory_limit is not None:
            check_number("memory_limit", self.memory_limit, "a number of GB above 0", lambda v: v > 0)
        for name in ("split_windows", "dry_run"):
            object.__setattr__(self, name, check_flag(name, getattr(self, name)))
        object.__setattr__(self, "progress", self.progress and rank() == 0)

    @property
    def options(self) -> dict[str, Any]:
        """The options that may change a voxel, by the names that users type."""
        return {"precision": self.precision, "device": self.device}


def _check_size(size: Sequence[int] | int | str) -> None:
    if size == "auto":
        return
    sizes = size if isinstance(size, list | tuple) else [size]
    if isinstance(size, list | tuple) and len(sizes) != 3:
        raise InputError(f"window_size is {size!r}: use auto, one number of voxels, or three.")
    for one in sizes:
        check_count("window_size", one)
