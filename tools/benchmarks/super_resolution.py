"""Super-resolution benchmark: simulated thick slices, our method beside interpolation, PSNR and SSIM."""

from __future__ import annotations

from operator import itemgetter
from pathlib import Path

import numpy as np
import torch
from benchmarks.degraded import Degraded
from benchmarks.slice_methods import prepare, slabs_of
from benchmarks.table import Table, number, sizes, timed

from meddiff_core.conditions.regions import FULL, region_window
from meddiff_core.errors import InputError
from meddiff_core.metrics.overshoot import overshoot
from meddiff_core.metrics.slice_quality import slice_psnr, slice_ssim


def slices(row: dict) -> str:
    """Thickness and, where they are not side by side, distance of the thick slices, and of the thin ones."""
    thick, every = row["thick_mm"], row["distance_mm"]
    return f"{thick:g}{'' if thick == every else f' every {every:g}'} to {row['thin_mm']:g}"


TABLE = Table(
    lambda rows: (
        f"Super-resolution, simulated thick slices (means of thin ones), {len({r['volume'] for r in rows})} "
        "volume(s). PSNR (dB) and SSIM per axial slice, averaged, in the region's HU window, and PSNR over "
        f"all HU, without {rows[0]['drop_slices']} thick slice(s) at either end; overshoot, the share of "
        "voxels outside the range of their 3 x 3 x 3 thick neighbours by more than 30 HU, beside that of the "
        "real thin slices; largest deviation of the result's slab means from the thick slices, rounded; "
        "seconds of processor time."
    ),
    {
        "volume": itemgetter("volume"),
        "region": itemgetter("region"),
        "slices, mm": slices,
        "block": sizes("shape"),
        "method": itemgetter("method"),
        "PSNR": number("psnr", 2),
        "SSIM": number("ssim", 3),
        "PSNR, all HU": number("psnr_all", 2),
        "overshoot": number("overshoot", 4),
        "overshoot, real": number("overshoot_real", 4),
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
    thick, slabs = torch.as_tensor(case.seen)[None], slabs_of(case)
    shares = [
        float(
            overshoot(torch.as_tensor(hu, dtype=torch.float32)[None], thick, slabs)[..., inner].float().mean()
        )
        for hu in (result, thin)
    ]
    return {
        "volume": case.scan.name,
        "region": case.scan.region,
        "factor": case.layout.factor,
        **case.slices_mm,
        "shape": list(thin.shape),
        "drop_slices": drop_slices,
        "method": method,
        "weights": str(weights) if weights and method.startswith("ours") else "",
        "psnr": round(slice_psnr(*pair, hu_window), 3),
        "ssim": round(slice_ssim(*pair, hu_window), 4),
        "psnr_all": round(slice_psnr(*pair, region_window(FULL)), 3),
        "overshoot": round(shares[0], 5),
        "overshoot_real": round(shares[1], 5),
        "deviation": round(float(deviation), 2),
        **seconds,
    }
