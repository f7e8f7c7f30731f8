"""What all stages of one generated volume share."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from meddiff_core.conditions.organ_hu import Targets
from meddiff_core.inferers.windowed import Network


@dataclass(frozen=True)
class Draw:
    """What all stages of one sample share.

    Args:
        network: the denoiser.
        generator: source of noise.
        targets: mean HU by labels, from `TissueHU`.
        vessels: how much of each voxel is vessel, from `FineStructure`.
        lesion: mean and standard deviation of a lesion in HU, for inferers that make one.
    """

    network: Network
    generator: torch.Generator
    targets: Targets
    vessels: torch.Tensor | None = None
    lesion: tuple[float, float] | None = None
