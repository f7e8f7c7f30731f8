"""What denoising removed: noise alone, or anatomy with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional as F

REGION = 16
"""Voxels along each axis of a region that is tested."""
_AIR_HU = -950.0
_TISSUE_SHARE = 0.95
"""Part of a region above the HU of air, where noise is cut off, for it to count."""
_PURE_NOISE = 512
"""Draws of pure noise that the regions are compared with."""
_RARE = 0.01
"""Part of the regions of pure noise that may pass for anatomy."""


@dataclass(frozen=True)
class RemovedStructure:
    """Where more was removed at edges than beside them.

    Args:
        regions: bool, one for each whole region of `REGION` voxels along the axes.
        share: of the regions of tissue in which it is so; 0.01 in pure noise.
    """

    regions: torch.Tensor
    share: float

    @classmethod
    def of(cls, scan: torch.Tensor, denoised: torch.Tensor) -> RemovedStructure:
        """Compare a scan with its denoised image.

        In each region, the magnitude of what was removed is correlated with the gradient of the denoised
        image. That of noise is the same everywhere, or less at edges, where a careful method takes less.
        Anatomy that was blurred lies along edges. What such a correlation is in pure noise of the same
        spectrum, the removed parts themselves tell once their phases are drawn at random.

        The removed part is not correlated with the image itself: that is never zero, because what is left
        of the noise agrees with what was taken (Stein, 1981). A structure of which nothing is left makes no
        edge, and is not found.

        Args:
            scan: `(X, Y, Z)` in HU.
            denoised: the same shape.
        """
        size = [min(REGION, n) for n in scan.shape]
        generator = torch.Generator().manual_seed(0)
        found, counted, noise = [], [], []
        slabs = range(0, scan.shape[0] - size[0] + 1, size[0])
        for first in slabs:
            slab = slice(first, first + size[0])
            clean = denoised[slab].float()
            removed, edges = scan[slab] - clean, _edges(clean)
            tissue = _means((clean > _AIR_HU).float(), size) > _TISSUE_SHARE
            found.append(_correlation(removed.abs(), edges, size))
            counted.append(tissue)
            some = _spread(tissue.nonzero(), _PURE_NOISE // len(slabs) + 1)
            noise += [_of_pure_noise(removed[box], edges[box], generator) for box in _boxes(some, size)]
        tissue = torch.cat(counted)
        if not noise:
            return cls(tissue, 0.0)
        regions = tissue & (torch.cat(found) > torch.stack(noise).quantile(1 - _RARE))
        return cls(regions, float(regions.sum() / tissue.sum()))

    def mask(self, shape: Sequence[int]) -> torch.Tensor:
        """The regions as voxels of a scan of this shape, uint8."""
        mask = torch.zeros(tuple(shape), dtype=torch.uint8)
        size = [min(REGION, n) for n in shape]
        for box in _boxes(self.regions.nonzero(), size):
            mask[box] = 1
        return mask


def _edges(image: torch.Tensor) -> torch.Tensor:
    """Magnitude of the gradient."""
    return sum(along.square_() for along in torch.gradient(image)).sqrt_()


def _means(volume: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """Mean of each whole region."""
    return F.avg_pool3d(volume[None], size)[0]


def _correlation(a: torch.Tensor, b: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """Of two volumes in each region; 0 where one of them does not vary."""
    mean_a, mean_b = _means(a, size), _means(b, size)
    variance = (_means(a * a, size) - mean_a**2) * (_means(b * b, size) - mean_b**2)
    return (_means(a * b, size) - mean_a * mean_b) / variance.clamp_min(1e-6).sqrt()


def _spread(rows: torch.Tensor, count: int) -> torch.Tensor:
    """`count` of the rows, evenly, some of them several times where there are fewer; none of none."""
    return rows[torch.linspace(0, len(rows) - 1, count).round().long()] if len(rows) else rows


def _boxes(indices: torch.Tensor, size: Sequence[int]) -> Iterator[tuple[slice, ...]]:
    """Voxels of regions."""
    for index in indices.tolist():
        yield tuple(slice(i * n, (i + 1) * n) for i, n in zip(index, size, strict=True))


def _of_pure_noise(removed: torch.Tensor, edges: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Correlation of a region's edges with noise of the spectrum of what was removed there."""
    phases = torch.fft.rfftn(torch.randn(removed.shape, generator=generator)).angle()
    noise = torch.fft.irfftn(torch.polar(torch.fft.rfftn(removed).abs(), phases), removed.shape)
    return _correlation(noise.abs(), edges, removed.shape)[0, 0, 0]
