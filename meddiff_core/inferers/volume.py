"""A volume on its way through an inferer: image, conditions, region, and where it lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from meddiff_core.conditions.position import coordinate_axis
from meddiff_core.conditions.regions import HUWindow, region_window
from meddiff_core.inferers.known_part import KnownPart


@dataclass(frozen=True)
class Volume:
    """An inferer's input, taken apart.

    Args:
        image: `(1, 1, X, Y, Z)` in [-1, 1] scale, float32.
        conditions: `(1, K, X, Y, Z)` anatomy label and control channels, or None.
        region: the region's name.
        meta: metadata of the input.
        axes: coordinates of the voxels of a crop in the whole volume, see `crop`; None for a whole one.
        known: where the network is not needed; None if it is needed everywhere.
        noise_code: `(CODE_LENGTH,)`, what is known of the spectrum of the noise; None for white noise.
    """

    image: torch.Tensor
    conditions: torch.Tensor | None
    region: str
    meta: dict[str, Any]
    axes: tuple[torch.Tensor, ...] | None = None
    known: KnownPart | None = None
    noise_code: torch.Tensor | None = None

    @property
    def spacing(self) -> list[float]:
        """Voxel size in mm; 1 where the input knows none."""
        affine = torch.as_tensor(self.meta.get("affine", torch.eye(4))).reshape(-1, 4, 4)[0]
        return affine[:3, :3].norm(dim=0).tolist()

    @property
    def coordinates(self) -> tuple[torch.Tensor, ...]:
        """Coordinates of the voxels along X, Y and Z: -1 at the first of the whole volume, +1 at the last."""
        return self.axes or tuple(map(coordinate_axis, self.image.shape[2:]))

    @property
    def hu_window(self) -> HUWindow:
        """HU window of the region."""
        return region_window(self.region)

    @property
    def sample(self) -> int:
        """Which of several results of one input this is to be; adds to the seed."""
        value = self.meta.get("sample", 0)  # of a batch of one: a list or a tensor
        return int(value[0] if hasattr(value, "__getitem__") else value)

    def crop(self, box: Sequence[slice]) -> Volume:
        """The part in a box of voxels; it keeps its coordinates."""
        index = (slice(None), slice(None), *box)
        return replace(
            self,
            image=self.image[index],
            conditions=None if self.conditions is None else self.conditions[index],
            axes=tuple(axis[along] for axis, along in zip(self.coordinates, box, strict=True)),
            known=None,
        )
