"""Detectability benchmark: discs of low contrast in correlated noise, found by a model observer."""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter

import numpy as np
from benchmarks.degraded import Degraded
from benchmarks.denoising import prepare
from benchmarks.observer import detection, laguerre_gauss, observer_scores
from benchmarks.scans import Scan
from benchmarks.table import Table, number

from meddiff_core.metrics.image_quality import psnr
from meddiff_core.physics.low_dose import correlated_noise

DISCS = ((3.0, 15.0), (5.0, 10.0), (10.0, 6.0), (15.0, 4.0))
"""Diameter in mm and contrast in HU, one in each quarter of a slice; as high as they are wide."""
FULL_DOSE_HU = 12.0
"""Standard deviation of the noise at full dose, as in a liver."""
_SPACING = (1.0, 1.0, 3.0)
_SHAPE = (64, 64, 32)
_EVERY = 8
"""Slices from one disc to the next."""
_QUARTER = 32
_LIVER_HU = 60.0

TABLE = Table(
    lambda rows: (
        "Discs of low contrast on liver, simulated noise of a standard kernel, slices of 3 mm. Area under "
        "the ROC curve (AUC) of a channelized Hotelling observer of one slice (Laguerre-Gauss channels, no "
        f"internal noise), before and after, {min(row['images'] for row in rows)} images with a disc and as "
        "many without; 95 % intervals by bootstrap."
    ),
    {
        "dose": lambda row: f"{row['dose']} %, {row['sigma_hu']:.0f} HU",
        "disc": lambda row: f"{row['diameter']:g} mm, {row['contrast']:g} HU",
        "method": itemgetter("method"),
        "PSNR before": number("psnr_before", 1),
        "after": number("psnr_after", 1),
        "AUC before": lambda row: f"{row['auc_before']:.3f} ± {row['auc_error']:.3f}",
        "AUC after": number("auc_after", 3),
        "gain": lambda row: f"{row['gain']:+.3f} ({row['gain_low']:+.3f} to {row['gain_high']:+.3f})",
    },
)


def measure(dose: int, method: str, volumes: int, seed: int) -> list[dict]:
    """A row for each disc.

    Args:
        dose: percent that is left.
        method: see `benchmarks.denoising.prepare`.
        volumes: with discs, and as many without; each holds four of each disc.
        seed: of the noise.
    """
    level = FULL_DOSE_HU / np.sqrt(dose / 100)
    slices: dict[str, list[np.ndarray]] = {"before": [], "after": []}
    scores: dict[str, list[float]] = {"before": [], "after": []}
    for draw in range(2 * volumes):
        case = _case(level, with_discs=draw % 2 == 0, seed=seed + draw)
        seen = {"before": case.seen, "after": prepare(method, case)[0]()}
        for when, hu in seen.items():
            slices[when].append(hu[..., _EVERY // 2 :: _EVERY])
            scores[when].append(psnr(hu, case.scan.hu, case.scan.hu_window))
    row = {
        "dose": dose,
        "sigma_hu": round(level, 2),
        "method": method,
        "images": volumes * _SHAPE[2] // _EVERY,
    }
    row |= {f"psnr_{when}": round(float(np.mean(values)), 2) for when, values in scores.items()}
    return [row | found for found in _discs_found(slices)]


def _discs_found(slices: dict[str, list[np.ndarray]]) -> Iterator[dict]:
    for index, (diameter, contrast) in enumerate(DISCS):
        channels = laguerre_gauss(_QUARTER, 1.5 * diameter)
        told = []
        for volumes in slices.values():
            quarters = [volume[_quarter(index)].transpose(2, 0, 1) for volume in volumes]
            told.append(observer_scores(*(np.concatenate(quarters[first::2]) for first in (0, 1)), channels))
        yield {"diameter": diameter, "contrast": contrast} | detection(*told)


def _case(level: float, with_discs: bool, seed: int) -> Degraded:
    """Liver with noise."""
    hu = np.full(_SHAPE, _LIVER_HU, np.float32)
    if with_discs:
        for index, (diameter, contrast) in enumerate(DISCS):
            hu[_quarter(index)] += contrast * _disc(diameter)
    affine = np.diag([*_SPACING, 1.0])
    scan = Scan("liver", hu, affine, "abdomen")
    return Degraded(scan, correlated_noise(hu, level, _SPACING, seed), affine, "correlated", level, (0, 0, 0))


def _quarter(index: int) -> tuple[slice, slice]:
    return tuple(slice(part * _QUARTER, (part + 1) * _QUARTER) for part in divmod(index, 2))


def _disc(diameter: float) -> np.ndarray:
    """Share of the disc in each voxel of a quarter, `(32, 32, Z)`; a disc in every eighth slice."""
    x, y = np.indices((_QUARTER, _QUARTER)) - (_QUARTER - 1) / 2
    across = np.clip(diameter / 2 - np.hypot(x, y) + 0.5, 0, 1)
    z = np.abs(np.arange(_SHAPE[2]) % _EVERY - _EVERY // 2) * _SPACING[2]
    along = np.clip((diameter / 2 - z) / _SPACING[2] + 0.5, 0, 1)
    return (across[..., None] * along).astype(np.float32)
