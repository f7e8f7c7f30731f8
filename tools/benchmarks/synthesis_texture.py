"""Texture of a synthetic CT beside the real one that its anatomy map comes from."""

from __future__ import annotations

import numpy as np
import torch
from benchmarks.bundle import bundle_parts
from benchmarks.scans import Scan
from monai.data import MetaTensor

from meddiff_core.conditions.vocabulary import COARSE_OF, label_id
from meddiff_core.metrics.texture import BANDS, inner_part, radial_power, vessel_share


def texture_rows(scan: Scan, weights: str) -> list[dict]:
    """Vessels of the lungs, and power by frequency in lung and soft tissue, of a CT made from the map alone.

    Args:
        scan: with its anatomy.
        weights: of the foundation.
    """
    inferer, network = bundle_parts("ct_synthesis", region=scan.region, foundation_weights=weights)
    inputs = MetaTensor(torch.as_tensor(COARSE_OF[scan.anatomy])[None, None].float(), affine=scan.affine)
    with torch.no_grad():
        made = torch.as_tensor(inferer(inputs, network))[0, 0].numpy()
    rows = []
    lung = COARSE_OF[scan.anatomy] == label_id("lung")
    if inner_part(lung, scan.spacing).any():
        shares = [100 * vessel_share(hu, lung, scan.spacing) for hu in (made, scan.hu)]
        rows.append(_row("vessels in the lungs, synthesis", "%", *shares))
    for tissue in ("lung", "body"):
        mask = inner_part(COARSE_OF[scan.anatomy] == label_id(tissue), scan.spacing)
        if not mask.any():
            continue
        powers = np.sqrt([radial_power(hu, mask) for hu in (made, scan.hu)])
        for low, high, ours, real in zip(BANDS, BANDS[1:], *powers, strict=False):
            rows.append(
                _row(f"texture of {tissue}, {low:g} to {high:g} cycles/voxel, synthesis", "HU", ours, real)
            )
    return rows


def _row(question: str, unit: str, ours: float, real: float) -> dict:
    return {"question": question, "unit": unit, "network": float(ours), "beside": {"real": float(real)}}
