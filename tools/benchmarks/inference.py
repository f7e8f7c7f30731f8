"""Inference benchmark: beside MONAI's sliding windows, calls of the network, and memory."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

import monai
import torch
from benchmarks.bundle import bundle_parts
from benchmarks.degraded import make_noisy
from benchmarks.inference_forwards import forwards_rows
from benchmarks.inference_memory import memory_row
from benchmarks.inference_monai import monai_rows
from benchmarks.scans import Scan, central_block
from benchmarks.table import Row, Table, number, sizes

from meddiff_core.conditions.coarse import coarse_labels
from meddiff_core.conditions.regions import region_id
from meddiff_core.errors import InputError
from meddiff_core.files import whole_file, write_json

_NOISE_LEVEL = 0.15  # in [-1, 1], as in the denoising benchmark

_INTRODUCTION = """\
# Inference

{volume}, {region}, {shape} voxels of {spacing} mm, on {device}: {cpu}, {threads} thread(s); torch {torch},
MONAI {monai}. Noise is simulated.
"""
_MONAI = """\
## Beside MONAI's `sliding_window_inference`

One evaluation of a central block, same network, windows and overlap (0.5), the fastest of several in turn.
MONAI gets the coordinates of the windows, the conditions, its importance map ready made and the same memory
layout. Share: of the wall time, spent inside the network. Wanted: a difference of at most 1e-5 in float32,
a share of at least 90 %."""
_FORWARDS = """\
## Calls of the network

Counted in a dry run of the scan enlarged to this size, with the presets of the bundles; `paper` is the
published recipe. With guidance each window counts twice."""
_MEMORY = """\
## Memory of a run on the command line

`ct_denoising` on a phantom; announced is what the run itself says beforehand."""

TABLES: dict[str, Table] = {
    "monai": Table(
        lambda rows: _MONAI,
        {
            "precision": itemgetter("precision"),
            "block": sizes("shape"),
            "windows": lambda row: f"{row['windows']} of {sizes('window')(row)}",
            "largest difference": lambda row: f"{row['largest_difference']:.1e}",
            "ours, s": number("seconds_ours", 2),
            "MONAI, s": number("seconds_monai", 2),
            "share": number("network_share_ours", 3),
            "MONAI's": number("network_share_monai", 3),
        },
    ),
    "forwards": Table(
        lambda rows: _FORWARDS,
        {
            "task": itemgetter("task"),
            "preset": itemgetter("preset"),
            "voxels": sizes("shape"),
            "forwards": lambda row: str(row["forwards"]),
            "million voxels": lambda row: f"{row['voxels'] / 1e6:.1f}",
        },
    ),
    "memory": Table(
        lambda rows: _MEMORY,
        {
            "voxels": sizes("shape"),
            "one float32 copy, GB": number("volume_gb", 1),
            "peak, GB": number("peak_gb", 1),
            "announced, GB": number("announced_gb", 1),
            "seconds": number("seconds", 1),
        },
    ),
}
"""The sections by name."""


def run(
    scan: Scan,
    sections: Sequence[str],
    block: tuple[int, int, int] | None,
    memory_shape: Sequence[int] | None,
    repeats: int,
    output_dir: Path,
) -> dict[str, Any]:
    """Run the sections; write `inference.json` and `inference.md`, anew after each result.

    Args:
        scan: clean scan.
        sections: of `TABLES`; memory is left out without `memory_shape`.
        block: central block for the comparison with MONAI; None for the whole scan.
        memory_shape: voxels of the phantom whose run is measured.
        repeats: of measurements of one evaluation.
        output_dir: folder for the files.

    Raises:
        InputError: an unknown section, or a run on the command line failed.
    """
    for section in sections:
        if section not in TABLES:
            raise InputError(f"Unknown section {section!r}: use {', '.join(TABLES)}.")
    measured = {
        "monai": lambda: _beside_monai(scan, block, repeats),
        "forwards": lambda: forwards_rows(scan),
        "memory": lambda: [memory_row(scan.region, memory_shape)] if memory_shape else [],
    }
    result: dict[str, Any] = {"facts": facts(scan)}
    for section in sections:
        for row in measured[section]():
            result.setdefault(section, []).append(row)
            write_json(output_dir / "inference.json", result)
            with whole_file(output_dir / "inference.md") as draft:
                draft.write_text(page(result), encoding="utf-8")
    return result


def page(result: Row) -> str:
    """Tables of what `inference.json` holds; sections that were not run are left out."""
    known = result["facts"]
    text = {key: sizes(key)(known) for key in ("shape", "spacing")}
    parts = [TABLES[section].page(result[section]) for section in TABLES if result.get(section)]
    return "\n".join([_INTRODUCTION.format(**known | text), *parts])


def facts(scan: Scan) -> dict[str, Any]:
    """What the numbers stand on: volume, machine, versions."""
    return {
        "volume": scan.name,
        "region": scan.region,
        "shape": list(scan.hu.shape),
        "spacing": [round(mm, 3) for mm in scan.spacing],
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU",
        "cpu": _cpu(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "monai": monai.__version__,
    }


def _beside_monai(scan: Scan, block: tuple[int, int, int] | None, repeats: int) -> Iterator[dict]:
    """On a block whose sides the network can take: MONAI pads to the window only."""
    (network,) = bundle_parts("ct_denoising", ("network",))
    start, size = central_block(scan.hu, block)
    part = scan.cut(start, [n // network.divisor * network.divisor for n in size])
    case = make_noisy(part, "white", _NOISE_LEVEL, None, seed=0)
    (inferer,) = bundle_parts("ct_denoising", ("inferer",), region=scan.region, noise_level=case.level)
    schedule = inferer.schedule
    anatomy = coarse_labels(part.hu, part.spacing)
    t = schedule.nearest_timestep(_NOISE_LEVEL)
    return monai_rows(
        network,
        schedule.alpha(t).sqrt() * part.hu_window.to_unit(torch.as_tensor(case.seen))[None, None],
        t,
        region_id(scan.region),
        torch.as_tensor(anatomy)[None, None].float(),
        next(network.parameters()).device,
        repeats=repeats,
    )


def _cpu() -> str:
    """The processor's name as Linux tells it, else what Python knows."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
