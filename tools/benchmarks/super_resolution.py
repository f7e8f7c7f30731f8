"""Super-resolution benchmark: simulated thick slices, our method beside interpolation, PSNR and SSIM."""

from __future__ import annotations

from operator import itemgetter
from pathlib import Path

import numpy as np
from benchmarks.degraded import Degraded
from benchmarks.slice_methods import prepare, slabs_of
from benchmarks.table import Table, number, sizes, timed

from meddiff_core.errors import InputError
from meddiff_core.metrics.slice_quality import slice_psnr, slice_ssim

TABLE = Table(
    lambda rows: (
        f"Super-resolution, simulated thick slices (means of thin ones), {len({r['volume'] for r in rows})} "
        "volume(s). PSNR (dB) and SSIM per axial slice, averaged, in the region's HU window, without "
        f"{rows[0]['drop_slices']} thick slice(s) at either end; largest deviation of the result's slab "
        "means from the thick slices after rounding; seconds of processor time."
    ),
    {
        "volume": itemgetter("volume"),
        "region": itemgetter("region"),
        "slices, mm": lambda row: f"{row['thick_mm']:g} to {row['thin_mm']:g}",
        "block": sizes("shape"),
        "method": itemgetter("method"),
        "PSNR": number("psnr", 2),
        "SSIM": number("ssim", 3),
        "largest deviation, HU": number("deviation", 1),
        "seconds": number("cpu_seconds", 1),
    },
)


def measure(case: Degraded, method: str, drop_slices: int, weights: Path | None = None) -> dict:
    """Row of one method on one case; deviation is that of the slab means from the thick slices, in HU.

    Args:
        case: block with thick slices.
        method: see `prepare`.
        drop_slices: thick slices at either end whose thin ones do not count.
        weights: trained part of ours; None for that of the bundle.

    Raises:
        InputError: unknown method, or no slice is left.
    """
    thin, hu_window = case.scan.hu, case.scan.hu_window
    inner = case.layout.within(thin.shape[-1], drop_slices)
    if inner.stop <= inner.start:
        raise InputError(
            f"{case.scan.name} has {case.layout.n_thick} thick slices: use a larger block, a smaller factor "
            "or fewer drop_slices."
        )
    result, seconds = timed(prepare(method, case, weights))
    result = np.rint(result)  # as it is stored
    deviation = np.abs(result @ slabs_of(case).matrix.T.numpy() - case.seen).max()
    pair = result[..., inner], thin[..., inner]
    return {
        "volume": case.scan.name,
        "region": case.scan.region,
        "factor": case.layout.factor,
        "thin_mm": round(case.scan.spacing[2], 3),
        "thick_mm": round(float(case.tensor.pixdim[2]), 3),
        "shape": list(thin.shape),
        "drop_slices": drop_slices,
        "method": method,
        "weights": str(weights) if weights and method.startswith("ours") else "",
        "psnr": round(slice_psnr(*pair, hu_window), 3),
        "ssim": round(slice_ssim(*pair, hu_window), 4),
        "deviation": round(float(deviation), 2),
        **seconds,
    }
