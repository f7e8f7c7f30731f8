"""The loss of all trainings: voxels count by their weight."""

from __future__ import annotations

import torch
from torch import nn


class WeightedLoss(nn.Module):
    """Mean of `|prediction - target| ** power`, weighted within each patch; patches count alike.

    Args:
        power: 2 is the squared error, 1 the absolute one of the paper.
    """

    def __init__(self, power: float = 2.0) -> None:
        super().__init__()
        self.power = power

    def forward(self, prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Loss of `(B, 1, X, Y, Z)` against target and weight `(B, 2, X, Y, Z)`."""
        weight = target[:, 1:].flatten(1)
        error = (prediction - target[:, :1]).abs().pow(self.power).flatten(1)
        return ((weight * error).sum(dim=1) / weight.sum(dim=1).clamp_min(1.0)).mean()
