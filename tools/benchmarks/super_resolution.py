"""Super-resolution benchmark: simulated thick slices, our method beside interpolation, PSNR and SSIM."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from benchmarks.scans import Scan
from benchmarks.slice_methods import SliceCase, make_slice_case, prepare
from tqdm import tqdm

from meddiff_core.errors import InputError
from meddiff_core.evaluation import markdown
from meddiff_core.files import whole_file
from meddiff_core.metrics.slice_quality import slice_psnr, slice_ssim

_HEADER = (
    "volume",
    "region",
    "slices, mm",
    "block",
    "method",
    "PSNR",
    "SSIM",
    "largest deviation, HU",
    "seconds",
)


def measure(method: str, case: SliceCase, drop_slices: int, weights: Path | None) -> dict:
    """Result of one method on one case; deviation is that of the slab means from the thick slices, in HU."""
    inner = case.layout.within(case.thin.shape[-1], drop_slices)
    if inner.stop <= inner.start:
        raise InputError(
            f"{case.volume} has {case.layout.n_thick} thick slices: use a larger block, a smaller factor or "
            "fewer drop_slices."
        )
    run = prepare(method, case, weights)
    wall, processor = time.perf_counter(), time.process_time()
    result = run()
    seconds = {
        "seconds": round(time.perf_counter() - wall, 2),
        "cpu_seconds": round(time.process_time() - processor, 2),
    }
    result = np.rint(result)  # as it is stored
    deviation = np.abs(result @ case.slabs.matrix.T.numpy() - case.thick[0].numpy()).max()
    pair = result[..., inner], case.thin[0].numpy()[..., inner]
    return {
        "psnr": round(slice_psnr(*pair, case.window), 3),
        "ssim": round(slice_ssim(*pair, case.window), 4),
        "deviation": round(float(deviation), 2),
        **seconds,
    }


def run(
    scans: Iterable[Scan],
    factors: Iterable[int],
    block: tuple[int, int, int] | None,
    methods: Iterable[str],
    drop_slices: int,
    weights: Path | None,
    output_dir: Path,
) -> list[dict]:
    """Measure every method on every scan and factor; write `super_resolution.json` and `.md`.

    Args:
        scans: thin scans.
        factors: thin slices per simulated thick one.
        block: voxels per axis of the central block; None for whole scans.
        methods: names for `prepare`.
        drop_slices: thick slices at either end whose thin ones do not count.
        weights: trained part of ours; None for that of the bundle.
        output_dir: folder for the tables; rewritten after each result.
    """
    rows: list[dict] = []
    cases = [make_slice_case(scan, factor, block) for scan in scans for factor in factors]
    for case, method in tqdm([(case, method) for case in cases for method in methods], unit="result"):
        row = {
            "volume": case.volume,
            "region": case.region,
            "factor": case.layout.factor,
            "thin_mm": round(float(case.thin.pixdim[2]), 3),
            "thick_mm": round(float(case.thick.pixdim[2]), 3),
            "shape": list(case.thin.shape[1:]),
            "drop_slices": drop_slices,
            "method": method,
            "weights": str(weights) if weights and method.startswith("ours") else "",
        }
        rows.append(row | measure(method, case, drop_slices, weights))
        with whole_file(output_dir / "super_resolution.json") as draft:
            draft.write_text(json.dumps(rows, indent=1))
        with whole_file(output_dir / "super_resolution.md") as draft:
            draft.write_text(table(rows))
    return rows


def table(rows: list[dict]) -> str:
    """Markdown table of the results, with what they stand on above it."""
    introduction = (
        f"Super-resolution, simulated thick slices (means of thin ones), {len({r['volume'] for r in rows})} "
        "volume(s). PSNR (dB) and SSIM per axial slice, averaged, in the region's HU window, without "
        f"{rows[0]['drop_slices']} thick slice(s) at either end; largest deviation of the result's slab "
        "means from the thick slices after rounding; seconds of processor time."
    )
    return f"{introduction}\n\n{markdown.table(_HEADER, [_cells(row) for row in rows])}\n"


def _cells(row: dict) -> list[str]:
    return [
        row["volume"],
        row["region"],
        f"{row['thick_mm']:g} to {row['thin_mm']:g}",
        "x".join(map(str, row["shape"])),
        row["method"],
        f"{row['psnr']:.2f}",
        f"{row['ssim']:.3f}",
        f"{row['deviation']:.1f}",
        f"{row['cpu_seconds']:.1f}",
    ]
