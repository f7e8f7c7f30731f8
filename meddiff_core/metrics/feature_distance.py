"""Distance of two sets of feature vectors: FID and MMD."""

from __future__ import annotations

import torch
from monai.metrics import MMDMetric


def feature_distance(generated: torch.Tensor, real: torch.Tensor) -> dict[str, float]:
    """FID and MMD with the number of vectors in a set, on which both depend: compare at equal n only.

    FID is that of Heusel et al. (2017) and biased upwards for few vectors. MMD is MONAI's `MMDMetric`: a
    linear kernel and the unbiased estimate for independent sets. Where each generated vector has a real one
    of the same anatomy, the sets are not independent, and those that agree come out below 0: a set against
    itself at -2/n times its total variance.

    Args:
        generated: `(n, d)`.
        real: `(n, d)`.

    Returns:
        `fid`, `mmd` (both nan for n = 1) and `vectors`, n.
    """
    generated, real = generated.double().cpu(), real.double().cpu()
    fid = mmd = float("nan")
    if len(real) > 1:
        fid, mmd = _frechet(generated, real), float(MMDMetric()(real, generated))
    return {"fid": fid, "mmd": mmd, "vectors": len(real)}


def _frechet(a: torch.Tensor, b: torch.Tensor) -> float:
    """|mean a - mean b|^2 + tr(A) + tr(B) - 2 tr((A B)^(1/2)) of the covariances A and B.

    The last trace is the sum of the singular values of the product of the centred sets. MONAI's `FIDMetric`
    takes the matrix root instead, which fails ("Imaginary component too high") or takes minutes where there
    are fewer vectors than features, the usual case for volumes.
    """
    mean_a, mean_b = a.mean(0), b.mean(0)
    a, b = (a - mean_a) / (len(a) - 1) ** 0.5, (b - mean_b) / (len(b) - 1) ** 0.5
    root = torch.linalg.svdvals(a @ b.T).sum()
    distance = (mean_a - mean_b).square().sum() + a.square().sum() + b.square().sum() - 2 * root
    return max(0.0, float(distance))  # rounding
