"""How the time of one evaluation grows with the body in a volume, with one process and with two."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from scipy.stats import linregress
from torch import distributed, multiprocessing

from meddiff_core.diffusion.schedule import NoiseSchedule
from meddiff_core.inferers.background import Background, content_of_mask
from meddiff_core.inferers.cost import Cost
from meddiff_core.inferers.memory import CPU_WINDOW
from meddiff_core.inferers.windowed import Network, WindowedDenoiser

BODY_AXES = (0.9, 0.6)
"""Of the ellipse that stands for the body in each slice, as shares of its sides: 42 % of the volume."""


def scaling(
    network: Network, sizes: Sequence[int], processes: Sequence[int] = (1, 2), repeats: int = 2
) -> dict:
    """Seconds by volume size and number of processes, each with one thread, and a line through them.

    Args:
        network: on the CPU.
        sizes: voxels along each axis of a cube.
        processes: how many share the windows.
        repeats: of each evaluation, after a window that does not count; the fastest does.

    Returns:
        `rows`, and by number of processes `fit` with the microseconds per voxel of body, the seconds at none,
        and r^2.
    """
    rows = [row for count in processes for row in _in_processes(network, sizes, count, repeats)]
    return {"rows": rows, "fit": {str(n): fit([r for r in rows if r["processes"] == n]) for n in processes}}


def fit(rows: Sequence[dict]) -> dict | None:
    """The line of seconds over voxels of body; None with fewer than two sizes."""
    if len(rows) < 2:
        return None
    line = linregress([row["body_voxels"] for row in rows], [row["seconds"] for row in rows])
    return {"us_per_body_voxel": line.slope * 1e6, "intercept": line.intercept, "r2": line.rvalue**2}


def evaluation(network: Network, size: int, repeats: int, split: bool = False) -> dict:
    """Time one evaluation of a cube with a body in it, alone or with the other processes."""
    shape = (size,) * 3
    body = body_of(shape)
    background = Background(content_of_mask(body), torch.tensor(-1.0), NoiseSchedule())
    denoiser = WindowedDenoiser(network, shape, roi_size=CPU_WINDOW, background=background, split=split)
    x_t = torch.randn(1, 1, *shape, generator=torch.Generator().manual_seed(0))
    denoiser.predict(torch.zeros(1, 1, *denoiser.grid.padded), 500, denoiser.grid.windows[:1])
    seconds = []
    for _ in range(repeats):
        if split:
            distributed.barrier()
        begin = time.perf_counter()
        denoiser(x_t, 500)
        seconds.append(time.perf_counter() - begin)
    cost = Cost.of(denoiser, 1)
    return {
        "size": size,
        "body_voxels": int(body.sum()),
        "window": cost.size,
        "windows": cost.windows,
        "voxels": int(cost.voxels),
        "seconds": min(seconds),
        "windows_per_second": cost.windows / min(seconds),
    }


def body_of(shape: Sequence[int]) -> np.ndarray:
    """An elliptic cylinder along z, bool `(X, Y, Z)`."""
    x, y = (np.linspace(-1, 1, n) / axis for n, axis in zip(shape[:2], BODY_AXES, strict=True))
    return np.repeat((x[:, None] ** 2 + y**2 <= 1)[..., None], shape[2], axis=2)


def _in_processes(network: Network, sizes: Sequence[int], count: int, repeats: int) -> list[dict]:
    with tempfile.TemporaryDirectory() as folder:
        multiprocessing.spawn(_work, (count, network, sizes, repeats, folder), nprocs=count)
        rows = json.loads((Path(folder) / "rows.json").read_text())
    return [{"processes": count} | row for row in rows]


def _work(rank: int, count: int, network: Network, sizes: Sequence[int], repeats: int, folder: str) -> None:
    torch.set_num_threads(1)
    if count > 1:
        distributed.init_process_group(
            "gloo", init_method=f"file://{folder}/processes", rank=rank, world_size=count
        )
    rows = [evaluation(network, size, repeats, split=count > 1) for size in sizes]
    if rank == 0:
        (Path(folder) / "rows.json").write_text(json.dumps(rows))
    if count > 1:
        distributed.destroy_process_group()
