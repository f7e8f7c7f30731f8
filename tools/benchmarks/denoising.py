"""Denoising benchmark: simulated noise on clean scans, our method beside its peers, PSNR and SSIM."""

from __future__ import annotations

import json
from operator import itemgetter
from pathlib import Path

from benchmarks.degraded import Degraded
from benchmarks.ours import ours
from benchmarks.peers import PEERS, Prepared
from benchmarks.table import Table, number, sizes, timed

from meddiff_core.conditions.regions import FULL, region_window
from meddiff_core.errors import InputError
from meddiff_core.metrics.image_quality import psnr, ssim

# What must agree before a result of an earlier run stands for a new measurement.
_IDENTITY = ("volume", "region", "kind", "noise_level", "start", "shape", "seed", "method")

TABLE = Table(
    lambda rows: (
        f"Denoising, simulated noise, {len({row['volume'] for row in rows})} volume(s). PSNR (dB) and SSIM "
        "in the region's HU window, and PSNR over all HU; seconds of processor time; peers at their best "
        "setting."
    ),
    {
        "volume": itemgetter("volume"),
        "region": itemgetter("region"),
        "noise": lambda row: f"{row['kind']} {row['sigma_hu']:g} HU",
        "block": sizes("shape"),
        "method": itemgetter("method"),
        "PSNR": number("psnr", 2),
        "PSNR, all HU": number("psnr_all_hu", 2),
        "SSIM": number("ssim", 3),
        "seconds": number("cpu_seconds", 1),
        "setting": itemgetter("setting"),
    },
)


def measure(
    case: Degraded, method: str, noise_level: float, seed: int, peers_from: Path | None = None
) -> dict:
    """Row of one method on one case: PSNR, SSIM, seconds of wall clock and of processor time.

    Args:
        case: block with noise.
        method: see `prepare`.
        noise_level: of the noise as it was asked for.
        seed: of the noise.
        peers_from: `denoising.json` of an earlier run, whose peers are taken over where the case agrees.
    """
    row = {
        "volume": case.scan.name,
        "region": case.scan.region,
        "kind": case.kind,
        "noise_level": noise_level,
        "sigma_hu": round(case.level, 2),
        "start": list(case.start),
        "shape": list(case.scan.hu.shape),
        "seed": seed,
        "method": method,
    }
    known = json.loads(peers_from.read_text()) if peers_from and method in PEERS else []
    earlier = [old for old in known if all(old[key] == row[key] for key in _IDENTITY)]
    if earlier:
        return earlier[0]
    try:
        denoise, setting = prepare(method, case)
    except ImportError:
        return row | {"setting": "not installed"}
    result, seconds = timed(denoise)
    scores = {
        "psnr": round(psnr(result, case.scan.hu, case.scan.hu_window), 3),
        "psnr_all_hu": round(psnr(result, case.scan.hu, region_window(FULL)), 3),
        "ssim": round(ssim(result, case.scan.hu, case.scan.hu_window), 4),
    }
    return row | seconds | scores | {"setting": setting}


def prepare(method: str, case: Degraded) -> Prepared:
    """Function that denoises the case, and the setting it uses.

    Args:
        method: name of a peer, or `ours_N` for our bundle in N steps.
        case: block and noise.

    Raises:
        InputError: unknown method.
        ImportError: the method's package is not installed.
    """
    if method in PEERS:
        return PEERS[method](case)
    name, _, steps = method.partition("_")
    if name == "ours" and steps.isdigit():
        return ours(case, int(steps))
    raise InputError(f"Unknown method {method!r}: use {', '.join(PEERS)}, or ours_N for N steps.")
