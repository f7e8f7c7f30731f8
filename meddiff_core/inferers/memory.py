"""How much memory a run takes, known before it starts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from math import prod

import psutil
import torch
from monai.utils import ensure_tuple_rep
from torch import distributed

from meddiff_core.errors import InputError
from meddiff_core.inferers.precision import network_dtype
from meddiff_core.inferers.windows import Runtime

VOLUME_COPIES = 8
"""Float32 copies of the volume that a sampler and what follows it hold at once, beyond those that are there
when it starts; measured on whole runs."""

ACTIVATION_BYTES = {torch.float32: 870, torch.bfloat16: 700, torch.float16: 700}
"""Bytes per voxel of a window, for a network without `activation_bytes`: those of the compact one."""

CPU_WINDOW = 96
"""Window on a CPU: with 128 voxels a voxel costs 1.3 times as much, with 192 1.6 times (caches)."""

LEAST_WINDOW = 32
_STEP = 16
_FREE_SHARE = 0.9
"""Share of the free memory that a run may take: others may want some, too."""


class Memory:
    """What a run takes of the memory of the network's device.

    Args:
        network: may tell by `activation_bytes`, a dictionary by dtype, what an evaluation takes per voxel.
        volume: `(1, 1, X, Y, Z)`, of which copies lie on its own device.
        window_batch: windows per call.
        runtime: where the network lies, what it runs in, and how much the process may take there in all;
            default what it has and most of what is free. Processes that share windows agree on what the one
            with the least has.
    """

    def __init__(
        self,
        network: object,
        volume: torch.Tensor,
        window_batch: int,
        runtime: Runtime,
    ) -> None:
        limit = runtime.memory_limit
        self.device = torch.device(runtime.device or volume.device)
        self.shape = tuple(volume.shape[2:])
        per_voxel = getattr(network, "activation_bytes", ACTIVATION_BYTES)
        self._window_bytes = per_voxel[network_dtype(self.device, runtime.precision)] * window_batch
        used, free = _used_and_free(self.device)
        shared = volume.device.type == self.device.type
        self.base = used + (VOLUME_COPIES * 4 * prod(self.shape) if shared else 0)
        self.limit = used + _FREE_SHARE * free if limit is None else limit * 1e9
        self._given = limit is not None
        if runtime.split_windows:
            room = torch.tensor(self.limit - self.base, dtype=torch.float64)
            distributed.all_reduce(room, distributed.ReduceOp.MIN)
            self.limit = self.base + float(room)

    def needed(self, roi_size: Sequence[int] | int) -> float:
        """Bytes in all at the peak, with windows of `roi_size`."""
        roi = [min(size, n) for size, n in zip(ensure_tuple_rep(roi_size, 3), self.shape, strict=True)]
        return self.base + self._window_bytes * prod(roi)

    def window(self, roi_size: Sequence[int] | int | str) -> Sequence[int] | int:
        """The window to take: `roi_size`, or for `auto` the fastest that fits.

        Raises:
            InputError: it does not fit, or none does.
        """
        fits = self._largest()
        if roi_size != "auto" and self.needed(roi_size) <= self.limit:
            return roi_size
        allowed = f"{'memory_limit allows' if self._given else 'free are'} {self.limit / 1e9:.1f} GB"
        if fits is None:
            raise InputError(
                f"This run needs about {self.needed(LEAST_WINDOW) / 1e9:.1f} GB with the smallest windows, "
                f"{allowed}: {'raise memory_limit' if self._given else 'free memory'}, or crop the scan."
            )
        if roi_size != "auto":
            raise InputError(
                f"Windows of {_text(roi_size)} voxels need about {self.needed(roi_size) / 1e9:.1f} GB, "
                f"{allowed}: use --window_size {fits} or less."
            )
        return fits

    def _largest(self) -> int | None:
        """The largest window worth having that fits; None if none does."""
        top = CPU_WINDOW if self.device.type == "cpu" else -(-max(self.shape) // _STEP) * _STEP
        sizes = range(max(top, LEAST_WINDOW), LEAST_WINDOW - 1, -_STEP)
        return next((size for size in sizes if self.needed(size) <= self.limit), None)


def _used_and_free(device: torch.device) -> tuple[int, int]:
    """Bytes on a device: what this process has, and what it could get."""
    if device.type == "cuda":
        used, reserved = torch.cuda.memory_allocated(device), torch.cuda.memory_reserved(device)
        # what torch keeps of earlier windows is free for the next ones
        return used, torch.cuda.mem_get_info(device)[0] + reserved - used
    # torchrun says how many processes share the machine
    sharing = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    return psutil.Process().memory_info().rss, psutil.virtual_memory().available // sharing


def _text(roi_size: Sequence[int] | int) -> str:
    return "x".join(str(size) for size in roi_size) if isinstance(roi_size, Sequence) else str(roi_size)
