"""PaDiM on the features of the foundation network (Defard et al., arXiv 2011.08785), for comparison."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
from benchmarks.scans import Scan
from torch import nn
from torch.nn import functional as F

from meddiff_core.conditions.position import coordinates
from meddiff_core.conditions.regions import region_id
from meddiff_core.diffusion.schedule import NoiseSchedule
from meddiff_core.errors import InputError

# As PaDiM: channels drawn at random from all levels, and what is added to the covariance's diagonal.
_CHANNELS = 100
_RIDGE = 0.01


class PaDiM:
    """Mahalanobis distance of a cell's features to those of healthy organs.

    A Gaussian for the whole organ, not one per position: organs of different patients do not lie on a common
    grid. The features are the outputs of the first residual block of each level and of the middle of the
    network's U-Net, with the noise of a small timestep on the image.

    Args:
        network: a `CTDenoiser`.
        references: healthy volumes; those of a case's region, but not of its patient, are its normal. A
            reference without another is its own.
    """

    def __init__(self, network: nn.Module, references: Sequence[Scan]) -> None:
        self.network = network
        self.references = references
        self.schedule = NoiseSchedule()
        self.features = cache(self._features)
        self._levels: list[torch.Tensor] = []
        for block in network.unet.down_blocks:
            block.register_forward_hook(lambda _, inputs, output: self._levels.append(output[1][0]))
        network.unet.middle_block.register_forward_hook(lambda _, inputs, output: self._levels.append(output))

    def distance(self, case: Scan, timestep: int) -> np.ndarray:
        """Map `(X, Y, Z)` of distances, not signed."""
        mean, inverse = self._normal(case, timestep)
        features = self.features(case, timestep)  # (C, x, y, z)
        offset = (features.flatten(1) - mean).T
        squared = ((offset @ inverse) * offset).sum(dim=1).clamp(min=0)
        cells = squared.sqrt().reshape(1, 1, *features.shape[1:])
        voxels = F.interpolate(cells, scale_factor=self.network.factor, mode="trilinear")[0, 0]
        return voxels[tuple(slice(n) for n in case.hu.shape)].numpy()

    def _normal(self, case: Scan, timestep: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean `(C, 1)` and inverse covariance `(C, C)` of the healthy cells."""
        healthy = [other for other in self.references if other.is_reference_of(case)]
        healthy = healthy or [other for other in self.references if other is case]
        if not healthy:
            raise InputError(f"PaDiM needs a reference of region {case.region} for {case.name}: add one.")
        samples = torch.cat([self._organ_features(other, timestep) for other in healthy], dim=1)
        covariance = torch.cov(samples) + _RIDGE * torch.eye(len(samples))
        return samples.mean(dim=1, keepdim=True), torch.linalg.inv(covariance)

    def _organ_features(self, case: Scan, timestep: int) -> torch.Tensor:
        """Features `(C, N)` of the cells that lie in the organ."""
        features = self.features(case, timestep)
        organ = self._padded(torch.as_tensor(case.organ)[None, None].float())
        organ = F.avg_pool3d(organ, self.network.factor)
        return features[:, organ[0, 0] > 0.5]

    @torch.no_grad()
    def _features(self, case: Scan, timestep: int) -> torch.Tensor:
        """`(C, x, y, z)` at the resolution of the U-Net's first level."""
        image = torch.as_tensor(case.hu_window.to_unit(case.hu)).float().clamp(-1, 1)[None, None]
        noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
        noisy = self.schedule.add_noise(image, noise, timestep)
        anatomy = torch.as_tensor(case.anatomy)[None, None].float()
        inputs = self._padded(torch.cat([noisy, coordinates(case.hu.shape)[None], anatomy], dim=1))
        self._levels.clear()
        network = self.network
        network.unet(
            network.context_input(inputs),
            torch.tensor([timestep]),
            class_labels=torch.tensor([region_id(case.region)]),
        )
        size = self._levels[0].shape[2:]
        levels = [F.interpolate(level, size=size, mode="trilinear") for level in self._levels]
        channels = sum(level.shape[1] for level in levels)
        chosen = np.random.default_rng(0).permutation(channels)[:_CHANNELS].tolist()
        return torch.cat(levels, dim=1)[0, sorted(chosen)]

    def _padded(self, volume: torch.Tensor) -> torch.Tensor:
        after = [-size % self.network.divisor for size in volume.shape[2:]]
        return F.pad(volume, [0, after[2], 0, after[1], 0, after[0]], mode="replicate")
