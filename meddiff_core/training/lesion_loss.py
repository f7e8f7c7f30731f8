"""Batches in which a lesion's voxels count more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from meddiff_core.training.prepare_batch import FoundationPrepareBatch


class LesionPrepareBatch(FoundationPrepareBatch):
    """`FoundationPrepareBatch` that weights lesions (MedDiff-FM, "lesion generation").

    Lesions are under 1 % of a volume; unweighted, the rest would decide what is learned. The mask is the last
    control channel.

    Args:
        lesion_weight: weight of a lesion's voxel beside 1 of any other.
        options: see `FoundationPrepareBatch`.
    """

    def __init__(self, *args: Any, lesion_weight: float = 5.0, **options: Any) -> None:
        super().__init__(*args, **options)
        self.lesion_weight = lesion_weight

    def weigh(self, weight: torch.Tensor, control: Sequence[torch.Tensor]) -> torch.Tensor:
        """More within the lesion."""
        return weight * (1 + (self.lesion_weight - 1) * control[-1][:, -1:])
