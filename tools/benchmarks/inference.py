"""Inference benchmark: what each lever on speed is worth, on one volume and one network."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import monai
import numpy as np
import torch
from benchmarks.bundle import bundle_parts
from benchmarks.cases import central_block
from benchmarks.inference_forwards import forwards_rows
from benchmarks.inference_levers import LEVERS, lever_rows
from benchmarks.inference_memory import memory_row
from benchmarks.inference_monai import monai_rows
from benchmarks.inference_plot import plot
from benchmarks.inference_scaling import scaling
from benchmarks.inference_tables import page
from benchmarks.inference_tasks import NOISE_LEVEL, TASKS, denoising_task
from benchmarks.scans import Scan
from tqdm import tqdm

from meddiff_core.conditions.coarse import coarse_labels
from meddiff_core.conditions.regions import region_id
from meddiff_core.errors import InputError
from meddiff_core.files import whole_file

SECTIONS = ("monai", "levers", "forwards", "scaling", "memory")


def run(
    scan: Scan,
    sections: Sequence[str],
    block: tuple[int, int, int] | None,
    sizes: Sequence[int],
    memory_shape: Sequence[int] | None,
    longest: float,
    repeats: int,
    output_dir: Path,
) -> dict[str, Any]:
    """Run the sections; write `inference.json`, `inference.md` and `inference.png`, anew after each result.

    Args:
        scan: clean scan.
        sections: of `SECTIONS`; memory is left out without `memory_shape`.
        block: central block for the comparison with MONAI; None for the whole scan.
        sizes: sides of the cubes of `scaling`.
        memory_shape: voxels of the phantom whose run is measured.
        longest: seconds of a run from which on it is only extrapolated.
        repeats: of measurements of one evaluation.
        output_dir: folder for the files.

    Raises:
        InputError: an unknown section, or a run on the command line failed.
    """
    for section in sections:
        if section not in SECTIONS:
            raise InputError(f"Unknown section {section!r}: use {', '.join(SECTIONS)}.")
    result: dict[str, Any] = {"facts": facts(scan, repeats)}
    if "monai" in sections:
        for row in _beside_monai(scan, block, repeats):
            _add(result, "monai", row, output_dir)
    if "levers" in sections:
        for name, make_task in TASKS.items():
            rows = lever_rows(make_task(scan), longest)
            for row in tqdm(rows, f"Levers, {name}", len(LEVERS[name])):
                _add(result, "levers", row, output_dir)
    if "forwards" in sections:
        for row in forwards_rows(scan):
            _add(result, "forwards", row, output_dir)
    if "scaling" in sections:
        (network,) = bundle_parts("ct_denoising", ("network",), device="cpu")
        result["scaling"] = scaling(network, sizes, repeats=repeats)
        _write(result, output_dir)
    if "memory" in sections and memory_shape:
        result["memory"] = memory_row(scan.region, memory_shape)
        _write(result, output_dir)
    return result


def facts(scan: Scan, repeats: int) -> dict[str, Any]:
    """What the numbers stand on: volume, machine, versions."""
    return {
        "volume": scan.name,
        "region": scan.region,
        "shape": list(scan.hu.shape),
        "spacing": [round(float(mm), 3) for mm in np.linalg.norm(scan.affine[:3, :3], axis=0)],
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU",
        "cpu": _cpu(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "monai": monai.__version__,
        "repeats": repeats,
    }


def _beside_monai(scan: Scan, block: tuple[int, int, int] | None, repeats: int) -> Iterator[dict]:
    """On a block whose sides the network can take: MONAI pads to the window only."""
    (network,) = bundle_parts("ct_denoising", ("network",))
    divisor = network.divisor
    start, size = central_block(scan.hu, block or scan.hu.shape)
    box = tuple(slice(a, a + n // divisor * divisor) for a, n in zip(start, size, strict=True))
    part = scan._replace(hu=scan.hu[box])
    task = denoising_task(part)
    schedule, device = task.inferer.schedule, task.inferer.device
    anatomy = coarse_labels(part.hu, np.linalg.norm(scan.affine[:3, :3], axis=0))
    t = schedule.nearest_timestep(NOISE_LEVEL)
    return monai_rows(
        task.network,
        schedule.alpha(t).sqrt() * torch.as_tensor(task.inputs).as_subclass(torch.Tensor),
        t,
        region_id(scan.region),
        torch.as_tensor(anatomy)[None, None].float(),
        device,
        repeats=repeats,
    )


def _add(result: dict, section: str, row: dict, output_dir: Path) -> None:
    result.setdefault(section, []).append(row)
    _write(result, output_dir)


def _write(result: dict, output_dir: Path) -> None:
    with whole_file(output_dir / "inference.json") as draft:
        draft.write_text(json.dumps(result, indent=1))
    with whole_file(output_dir / "inference.md") as draft:
        draft.write_text(page(result))
    plot(result, output_dir / "inference.png")


def _cpu() -> str:
    """The processor's name as Linux tells it, else what Python knows."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
