"""What neither an anatomy map shows nor the network draws: vessels of the lungs, and a scanner's noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from meddiff_core.conditions.lung_vessels import lung_vessel_share
from meddiff_core.conditions.vocabulary import COARSE_OF, label_id
from meddiff_core.errors import check_flag, check_number
from meddiff_core.inferers.volume import Volume
from meddiff_core.physics.noise_spectrum import NoiseSpectrum

_USUAL_NOISE = {"chest": 14.0, "abdomen": 8.0, "head_neck": 7.0, "unknown": 8.0}
"""Median level in HU of the training scans of a region, as `ScanNoise` measures it."""
_USUAL_MM3 = 4.0  # their voxels
_LOWEST_HU = -1024.0
BETWEEN_VESSELS_HU = -870.0
"""Lung without vessels."""


@dataclass(frozen=True)
class FineStructure:
    """Vessels and noise of a generated CT, as options.

    Args:
        lung_vessels: grows trees of vessels into the lungs, see `lung_vessel_share`.
        noise_level: standard deviation in HU of the noise that is laid on the result, with the spectrum of
            a scanner with a soft kernel; `auto` is the median of the training scans of the region, less in
            voxels larger than theirs, over which noise averages out; 0 is none.

    Raises:
        InputError: for an option outside its range.
    """

    lung_vessels: bool = False
    noise_level: float | str = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "lung_vessels", check_flag("lung_vessels", self.lung_vessels))
        if self.noise_level != "auto":
            check_number(
                "noise_level", self.noise_level, "auto, or HU from 0 to 200", lambda v: 0 <= v <= 200
            )

    @property
    def options(self) -> dict[str, Any]:
        """The options by the names that users type."""
        return {"lung_vessels": self.lung_vessels, "noise_level": self.noise_level}

    def vessels(self, labels: np.ndarray, volume: Volume, seed: int) -> torch.Tensor | None:
        """How much of each voxel is vessel, `(1, 1, X, Y, Z)` in [0, 1]; None where there are none.

        Args:
            labels: ids of the vocabulary `(X, Y, Z)`, 0 where a lesion is.
            volume: with the voxel size.
            seed: of the trees.
        """
        lung = COARSE_OF[labels] == label_id("lung")
        if not self.lung_vessels or not lung.any():
            return None
        share = lung_vessel_share(lung, labels > 0, volume.spacing, np.random.default_rng(seed))
        return torch.from_numpy(share)[None, None]

    def add_noise(self, hu: torch.Tensor, volume: Volume, generator: torch.Generator) -> torch.Tensor:
        """A result `(1, 1, X, Y, Z)` in HU with the noise of a scan."""
        if self.noise_level == "auto":
            level = _USUAL_NOISE[volume.region] * min(1.0, math.sqrt(_USUAL_MM3 / math.prod(volume.spacing)))
        else:
            level = float(self.noise_level)
        if not level:
            return hu
        noise = NoiseSpectrum.of_scanner(volume.spacing).draw(hu.shape[2:], generator).to(hu)
        return (hu + level * noise).clamp_min(_LOWEST_HU)


class VesselTerm:
    """Data term that draws vessels into the clean image: no voxel is darker than its share of blood makes it.

    Args:
        share: how much of each voxel is vessel, `(1, 1, X, Y, Z)` in [0, 1].
        blood: its value, in the scale of the image.
        lung: value of lung between vessels.
    """

    def __init__(self, share: torch.Tensor, blood: float, lung: float) -> None:
        self.share = share
        self.blood = blood
        self.lung = lung

    def __call__(self, x0: torch.Tensor, t: int) -> torch.Tensor:
        """The clean image with vessels; `t` does not matter. A smaller image gets their mean share."""
        share = (
            self.share if self.share.shape == x0.shape else F.adaptive_avg_pool3d(self.share, x0.shape[2:])
        )
        vessels = self.lung + share.to(x0) * (self.blood - self.lung)
        return torch.where(share.to(x0.device) > 0, torch.maximum(x0, vessels), x0)
