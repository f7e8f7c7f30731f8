"""How often the network is called for a volume of a usual size: counted in a dry run."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from benchmarks.bundle import bundle_parts
from benchmarks.scans import Scan
from monai.data import MetaTensor

from meddiff_core.conditions.coarse import coarse_labels
from meddiff_core.inferers.cost import Cost

SHAPE = (384, 384, 256)
PRESETS = ("paper", "balanced", "fast")
_NOISE_LEVEL = 0.15  # in [-1, 1], as in the denoising benchmark


def forwards_rows(scan: Scan, shape: Sequence[int] = SHAPE) -> Iterator[dict]:
    """A row per task and preset of its bundle.

    Args:
        scan: is enlarged to `shape`, so that its share of air counts.
        shape: voxels `(X, Y, Z)`.
    """
    scan = enlarged(scan, shape)
    hu_window = scan.hu_window
    tasks = {
        "ct_denoising": (hu_window.to_unit(scan.hu), {"noise_level": _NOISE_LEVEL * hu_window.width / 2}),
        "ct_synthesis": (coarse_labels(scan.hu, scan.spacing), {}),
    }
    for bundle, (volume, options) in tasks.items():
        inputs = MetaTensor(torch.as_tensor(volume)[None, None].float(), affine=torch.as_tensor(scan.affine))
        for preset in PRESETS:
            parts = bundle_parts(bundle, region=scan.region, preset=preset, dry_run=True, **options)
            costs = announced_costs(*parts, inputs)
            yield {
                "task": bundle,
                "preset": preset,
                "shape": list(shape),
                "forwards": sum(cost.forwards for cost in costs),
                "voxels": sum(int(cost.voxels) for cost in costs),
            }


def announced_costs(inferer, network, inputs: MetaTensor) -> list[Cost]:
    """What the stages of an inferer's run say that they will take."""
    listener = _Listener()
    logger = logging.getLogger("meddiff")
    level = logger.level
    logger.addHandler(listener)
    logger.setLevel(logging.INFO)
    try:
        inferer(inputs, network)
    finally:
        logger.removeHandler(listener)
        logger.setLevel(level)
    return listener.costs


def enlarged(scan: Scan, shape: Sequence[int]) -> Scan:
    """The scan on another grid of the same extent, by the nearest voxel: as much air and body as before."""
    index = [np.arange(n) * old // n for n, old in zip(shape, scan.hu.shape, strict=True)]
    scale = np.divide(scan.hu.shape, shape)
    return replace(scan, hu=scan.hu[np.ix_(*index)], affine=scan.affine @ np.diag([*scale, 1.0]))


class _Listener(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.costs: list[Cost] = []

    def emit(self, record: logging.LogRecord) -> None:
        arguments = record.args if isinstance(record.args, tuple) else ()
        self.costs += [argument for argument in arguments if isinstance(argument, Cost)]
