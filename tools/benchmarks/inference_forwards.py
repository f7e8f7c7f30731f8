"""How often the network is called for a volume of a usual size: counted, not run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.inference_levers import LEVERS, preset, rehearse
from benchmarks.inference_tasks import TASKS, enlarged
from benchmarks.scans import Scan

SHAPE = (384, 384, 256)


def forwards_rows(scan: Scan, shape: Sequence[int] = SHAPE) -> Iterator[dict]:
    """A row per task, the plain recipe beside the bundle's presets.

    Args:
        scan: is enlarged to `shape`, so that its share of air counts.
        shape: voxels `(X, Y, Z)`.
    """
    scan = enlarged(scan, shape)
    for name, make_task in TASKS.items():
        task = make_task(scan)
        settings = {
            "plain": LEVERS[name][0][1],
            "balanced": preset(task, "balanced"),
            "fast": preset(task, "fast"),
        }
        row = {"task": name, "shape": list(shape)}
        for key, setting in settings.items():
            tally, times = rehearse(task, setting, timed=False), setting.get("times", 1)
            row |= {f"forwards_{key}": tally.forwards * times, f"voxels_{key}": tally.voxels * times}
        yield row
