"""Denoising benchmark: simulated noise on clean scans, our method beside its peers, PSNR and SSIM."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path

from benchmarks.cases import Case, make_case
from benchmarks.ours import ours
from benchmarks.peers import PEERS, Prepared
from benchmarks.scans import Scan
from tqdm import tqdm

from meddiff_core.errors import InputError
from meddiff_core.files import whole_file
from meddiff_core.metrics.image_quality import psnr, ssim

# What must agree before a result of an earlier run stands for a new measurement.
_IDENTITY = ("volume", "region", "kind", "noise_level", "start", "shape", "seed", "method")


def prepare(method: str, case: Case) -> Prepared:
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


def measure(method: str, case: Case) -> dict:
    """Result of one method on one case: PSNR, SSIM, seconds of wall clock and of processor time."""
    try:
        denoise, setting = prepare(method, case)
    except ImportError:
        return {"setting": "not installed"}
    wall, processor = time.perf_counter(), time.process_time()
    result = denoise()
    return {
        "seconds": round(time.perf_counter() - wall, 2),
        "cpu_seconds": round(time.process_time() - processor, 2),
        "psnr": round(psnr(result, case.clean, case.window), 3),
        "ssim": round(ssim(result, case.clean, case.window), 4),
        "setting": setting,
    }


def run(
    scans: Iterable[Scan],
    noise_level: float,
    block: tuple[int, int, int] | None,
    kinds: Iterable[str],
    methods: Iterable[str],
    seed: int,
    output_dir: Path,
    peers_from: Path | None = None,
) -> list[dict]:
    """Measure every method on every scan and kind of noise; write `denoising.json` and `denoising.md`.

    Args:
        scans: clean scans.
        noise_level: standard deviation in [-1, 1]; for `sinogram` the fraction of the dose that is left.
        block: voxels per axis of the central block; None for whole scans.
        kinds: of noise.
        methods: names for `prepare`.
        seed: of the noise.
        output_dir: folder for the tables; rewritten after each result.
        peers_from: `denoising.json` of an earlier run, whose peers are taken over where the case agrees.
    """
    known = json.loads(peers_from.read_text()) if peers_from else []
    output_dir.mkdir(parents=True, exist_ok=True)
    rows: list[dict] = []
    cases = [make_case(scan, kind, noise_level, block, seed) for scan in scans for kind in kinds]
    for case, method in tqdm([(case, method) for case in cases for method in methods], unit="result"):
        row = {
            "volume": case.volume,
            "region": case.region,
            "kind": case.kind,
            "noise_level": noise_level,
            "sigma_hu": round(case.sigma_hu, 2),
            "start": list(case.start),
            "shape": list(case.clean.shape),
            "seed": seed,
            "method": method,
        }
        earlier = [old for old in known if all(old[key] == row[key] for key in _IDENTITY)]
        rows.append(earlier[0] if earlier and method in PEERS else row | measure(method, case))
        with whole_file(output_dir / "denoising.json") as draft:
            draft.write_text(json.dumps(rows, indent=1))
        with whole_file(output_dir / "denoising.md") as draft:
            draft.write_text(table(rows))
    return rows


def table(rows: list[dict]) -> str:
    """Markdown table of the results, with what they stand on above it."""
    patients = len({row["volume"] for row in rows})
    lines = [
        f"Denoising, simulated noise, {patients} volume(s). PSNR (dB) and SSIM in the region's HU window; "
        "seconds of processor time; peers at their best setting.",
        "",
        "| volume | region | noise | block | method | PSNR | SSIM | seconds | setting |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        noise = f"{row['kind']} {row['sigma_hu']:g} HU"
        block = "x".join(map(str, row["shape"]))
        scores = (
            (f"{row['psnr']:.2f}", f"{row['ssim']:.3f}", f"{row['cpu_seconds']:.1f}")
            if "psnr" in row
            else ("-", "-", "-")
        )
        cells = (row["volume"], row["region"], noise, block, row["method"], *scores, row["setting"])
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
