"""The loss weighted towards lesions, and the batches that it needs."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from meddiff_core.training.prepare_batch import FoundationPrepareBatch


class LesionPrepareBatch(FoundationPrepareBatch):
    """`FoundationPrepareBatch` whose target `(B, 2, X, Y, Z)` has the lesion's mask behind it.

    The mask is the last control channel; `LesionWeightedMSELoss` takes the two apart.
    """

    def __call__(
        self, batchdata: dict[str, Any], *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor, tuple, dict[str, torch.Tensor]]:
        inputs, target, rest, options = super().__call__(batchdata, *args, **kwargs)
        return inputs, torch.cat([target, inputs[:, -1:]], dim=1), rest, options


class LesionWeightedMSELoss(nn.Module):
    """Mean squared error in which a voxel of a lesion counts more (MedDiff-FM, "lesion generation").

    Lesions are under 1 % of a volume; unweighted, the rest would decide what is learned.

    Args:
        lesion_weight: weight of a lesion's voxel beside 1 of any other.
    """

    def __init__(self, lesion_weight: float = 5.0) -> None:
        super().__init__()
        self.lesion_weight = lesion_weight

    def forward(self, prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Loss of `(B, 1, X, Y, Z)` against target and mask `(B, 2, X, Y, Z)`."""
        weight = 1 + (self.lesion_weight - 1) * target[:, 1:]
        return (weight * (prediction - target[:, :1]).square()).sum() / weight.sum()
