"""What the foundation knows: noise of two kinds, one step from each timestep, holes, organs and texture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import product
from operator import itemgetter

import numpy as np
import torch
from benchmarks.bundle import BUNDLES
from benchmarks.degraded import Degraded, make_noisy
from benchmarks.foundation_network import FoundationBlock
from benchmarks.holes import BALL_MM, balls_in, interpolated
from benchmarks.peers import PEERS
from benchmarks.scans import Scan
from benchmarks.synthesis_texture import texture_rows
from benchmarks.table import Table

from meddiff_core.conditions.vocabulary import COARSE_OF, label_id
from meddiff_core.errors import InputError
from meddiff_core.evaluation import markdown
from meddiff_core.metrics.hu_by_class import hu_by_organ
from meddiff_core.metrics.image_quality import psnr
from meddiff_core.physics.noise_spectrum import NoiseSpectrum

SECTIONS = ("noise", "steps", "local", "organs", "texture")
_SIGMAS = (0.05, 0.15, 0.3)
_TIMESTEPS = (300, 700, 950, 999)
_ORGAN_TIMESTEP = 950

WEIGHTS = str(BUNDLES / "ct_foundation" / "models" / "model.pt")

Rows = list[dict]


def _beside(row: Mapping) -> str:
    return ", ".join(f"{name} {markdown.number(value, 2)}" for name, value in row["beside"].items())


TABLE = Table(
    lambda rows: (
        f"What the foundation knows, {len({row['volume'] for row in rows})} volume(s), central block. Noise"
        " is simulated; PSNR in dB and RMSE in HU are those of the region's HU window; one step of the"
        " network; peers at their best setting."
    ),
    {
        "volume": itemgetter("volume"),
        "region": itemgetter("region"),
        "question": itemgetter("question"),
        "unit": itemgetter("unit"),
        "network": lambda row: f"{row['network']:.2f}",
        "beside": _beside,
    },
)


def with_anatomy(scans: Sequence[Scan]) -> list[Scan]:
    """The scans, of which each must have an anatomy map. Raises `InputError` for one without."""
    for scan in scans:
        if scan.anatomy is None:
            raise InputError(f"{scan.name} has no anatomy map: prepare the data, and give its datalist.json.")
    return list(scans)


def measure(scan: Scan, section: str, weights: str, peers: Sequence[str], known: Sequence[Mapping]) -> Rows:
    """The rows of one section on one scan.

    Args:
        scan: with its anatomy.
        section: of `SECTIONS`.
        weights: of the foundation.
        peers: denoising methods that stand beside the network, see `benchmarks.peers`.
        known: rows of an earlier run, whose peers are not measured again.
    """
    block = FoundationBlock.of(scan, weights)
    makers: dict[str, Callable[[], Rows]] = {
        "noise": partial(_noise, block, peers, known),
        "steps": partial(_steps, block),
        "local": partial(_local, block),
        "organs": partial(_organs, block),
        "texture": partial(texture_rows, scan, weights),
    }
    head = {"volume": scan.name, "region": scan.region, "section": section}
    return [head | row for row in makers[section]()]


def _noise(block: FoundationBlock, peers: Sequence[str], known: Sequence[Mapping]) -> Rows:
    """PSNR of noise at three levels, white and with the spectrum of a scanner."""
    scan, rows = block.scan, []
    for kind, sigma in product(("white", "correlated"), _SIGMAS):
        case = make_noisy(scan, kind, sigma, None, seed=0)
        spectrum = NoiseSpectrum() if kind == "white" else NoiseSpectrum.of_scanner(scan.spacing)
        clean = block.denoise(torch.as_tensor(case.seen), case.level, spectrum)
        question = f"{kind} noise of {sigma:g}"
        measured = _known(known, scan.name, question)
        beside = {peer: measured.get(peer) or _peer(peer, case) for peer in peers}
        row = {"question": question, "unit": "dB", "network": psnr(clean, scan.hu, scan.hu_window)}
        rows.append(row | {"beside": beside})
    return rows


def _peer(name: str, case: Degraded) -> float | None:
    """PSNR of a peer in dB; None where its package is not installed."""
    try:
        denoise, _ = PEERS[name](case)
    except ImportError:
        return None
    return psnr(denoise(), case.scan.hu, case.scan.hu_window)


def _known(rows: Sequence[Mapping], volume: str, question: str) -> Mapping[str, float]:
    return next((r["beside"] for r in rows if (r["volume"], r["question"]) == (volume, question)), {})


def _steps(block: FoundationBlock) -> Rows:
    """RMSE of one step back from white noise, with the anatomy map; beside it without."""
    rows = []
    for timestep in _TIMESTEPS:
        known, unknown = (
            block.rmse(block.one_step(timestep, labels)) for labels in (block.scan.anatomy, None)
        )
        question = f"one step from t = {timestep}"
        rows.append(
            {"question": question, "unit": "HU", "network": known, "beside": {"without anatomy": unknown}}
        )
    return rows


def _local(block: FoundationBlock) -> Rows:
    """RMSE within balls of noise at t = 950, clean outside, in lung and in soft tissue.

    The network is told the labels around the balls, and within them that of the tissue; beside it, none.
    """
    rows = []
    coarse = COARSE_OF[block.scan.anatomy]
    for tissue in ("lung", "body"):
        balls = balls_in(coarse == label_id(tissue), block.scan.spacing)
        if not balls.any():
            continue
        holes = torch.as_tensor(balls)
        around = (coarse == label_id(tissue)) & ~balls
        mean = np.where(balls, block.scan.hu[around].mean(), block.scan.hu)
        told, untold = (
            block.rmse(block.one_step(950, labels, within=holes), balls)
            for labels in (np.where(balls, label_id(tissue), block.scan.anatomy), None)
        )
        beside = {
            "without anatomy": untold,
            "mean of the tissue": block.rmse(mean, balls),
            "linear interpolation": block.rmse(interpolated(block.scan, balls), balls),
        }
        question = f"balls of {BALL_MM:g} mm in {tissue}"
        rows.append({"question": question, "unit": "HU", "network": told, "beside": beside})
    return rows


def _organs(block: FoundationBlock) -> Rows:
    """Mean HU of each label in one step from t = 950, beside the real one."""
    made = block.one_step(_ORGAN_TIMESTEP, block.scan.anatomy)
    means = hu_by_organ(made, block.scan.hu, block.scan.anatomy, block.scan.hu_window)
    return [
        {
            "question": f"HU of {organ}",
            "unit": "HU",
            "network": values["generated"],
            "beside": {"real": values["real"]},
        }
        for organ, values in means.items()
    ]
