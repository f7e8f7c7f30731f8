"""The part of a volume that needs no network, because its clean image is known, such as air."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage

from meddiff_core.conditions.body import block_mean
from meddiff_core.conditions.regions import WIDEST_WINDOW
from meddiff_core.conditions.vocabulary import BODY
from meddiff_core.diffusion.schedule import NoiseSchedule

BLOCK = 8
"""Voxels per axis of a block, in which content is sought: the mean of 512 voxels tells a table from noise."""

AIR_HU = -1000.0

_CONTENT_HU = -950.0
"""Blocks above this hold more than air: a thin tube fills a tenth of one, over which noise averages out."""

_AIR_SPREAD_HU = 450.0
"""Noisy air stays within this many HU of -1000; scanner padding (-2000 and less) does not."""


@dataclass(frozen=True)
class KnownPart:
    """The blocks of a volume where nothing has to be predicted, and their clean image.

    Args:
        content: bool, one element per block of `BLOCK` voxels: True where the network is needed.
        x0: the clean image in all other blocks, in [-1, 1]: a number as a tensor, or `(1, 1, X, Y, Z)`.
        schedule: noise schedule, which knows what the network predicts.
    """

    content: np.ndarray
    x0: torch.Tensor
    schedule: NoiseSchedule

    def fill(self, prediction: torch.Tensor, x_t: torch.Tensor, t: int, where: torch.Tensor) -> None:
        """Write what a network that knows `x0` predicts for `x_t` `(1, 1, X, Y, Z)`.

        Args:
            prediction: of the same shape; changed in place.
            x_t: the noisy volume.
            t: its timestep.
            where: voxels to fill, bool `(X, Y, Z)`.
        """
        # plane by plane: an index of all those voxels would be larger than the volume
        for i, plane in enumerate(where):
            if plane.any():
                x0 = (self.x0[:, :, i] if self.x0.ndim else self.x0).to(x_t.device)
                known = self.schedule.from_x0(x0, x_t[:, :, i], t)
                prediction[:, :, i] = torch.where(plane, known, prediction[:, :, i])


def content_of_scan(hu: np.ndarray) -> np.ndarray:
    """Blocks of a CT `(X, Y, Z)` in HU that hold more than air: body, table, blankets; with a margin."""
    # padding of any depth is as empty as air, and must not hide what shares a block with it
    content = block_mean(np.where(hu < WIDEST_WINDOW.lower, AIR_HU, hu), [BLOCK] * 3) > _CONTENT_HU
    return _with_margin(ndimage.binary_fill_holes(content))


def content_of_mask(mask: np.ndarray, margin: int = 1) -> np.ndarray:
    """Blocks that a mask `(X, Y, Z)` touches, and `margin` blocks around them."""
    content = block_mean(mask, [BLOCK] * 3) > 0
    return _with_margin(content, margin) if margin else content


def content_of_map(labels: np.ndarray) -> np.ndarray | None:
    """Blocks of an anatomy map `(X, Y, Z)` that hold more than air; None if it does not outline the body."""
    return content_of_mask(labels > 0) if labels.max() >= BODY else None


def air_level(hu: np.ndarray, content: np.ndarray) -> float:
    """HU of the air in a scan, the median of a sample; `AIR_HU` where there is none.

    Args:
        hu: CT `(X, Y, Z)`.
        content: from `content_of_scan`.
    """
    # one voxel per block, those of the padding and of what the margin has missed left out
    sample = hu[tuple(slice(BLOCK // 2, None, BLOCK) for _ in hu.shape)]
    air = sample[~content[tuple(slice(n) for n in sample.shape)]]
    air = air[np.abs(air - AIR_HU) < _AIR_SPREAD_HU]
    return float(np.median(air)) if air.size else AIR_HU


def _with_margin(content: np.ndarray, blocks: int = 1) -> np.ndarray:
    return ndimage.binary_dilation(content, np.ones((3, 3, 3), dtype=bool), iterations=blocks)
