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
        return self.reduce((weight * error).sum(dim=1) / weight.sum(dim=1).clamp_min(1.0))

    def reduce(self, errors: torch.Tensor) -> torch.Tensor:
        """The loss from the errors of the patches, `(B,)`."""
        return errors.mean()


class LogLoss(WeightedLoss):
    """Mean over the patches of the logarithm of their squared error: the mean PSNR, up to a constant.

    A wide HU window makes errors small, in plain numbers 130 times smaller in the window of all HU than in
    that of the abdomen. Here a patch counts by how many percent its error could be less.

    Args:
        floor: added to the error, so that a patch of nothing but air does not decide; 1e-5 is 57 dB with a
            range of 2.
    """

    def __init__(self, floor: float = 1e-5) -> None:
        super().__init__(power=2.0)
        self.floor = floor

    def reduce(self, errors: torch.Tensor) -> torch.Tensor:
        """The loss from the errors of the patches, `(B,)`."""
        return (errors + self.floor).log().mean()
