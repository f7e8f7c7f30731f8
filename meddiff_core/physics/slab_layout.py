"""How the slabs of a thick scan lie on a thin grid, and how that travels in a volume's metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from meddiff_core.physics.slabs import SlabMeans

_KEY = "slabs"


@dataclass(frozen=True)
class SlabLayout:
    """Slabs along the last axis of a thin volume.

    Args:
        n_thick: slabs.
        factor: thin voxels from slab to slab, need not be whole.
        start: where the first slab's share begins, in thin voxels from the outer edge of the first one.
        profile: relative weights over a slab from its lower to its upper end; `(1,)` is the mean.
        width: thin voxels of one slab; default `factor`, slabs side by side.
    """

    n_thick: int
    factor: float
    start: float = 0.0
    profile: Sequence[float] = (1.0,)
    width: float | None = None

    def means(self, n_thin: int) -> SlabMeans:
        """The operator H from `n_thin` voxels to the slabs."""
        return SlabMeans(n_thin, self.n_thick, self.profile, self.start, self.factor, self.width)

    def within(self, n_thin: int, drop: int) -> slice:
        """The thin voxels that lie wholly in the slabs which remain when `drop` are taken off at each end."""
        first = np.ceil(round(self.start + drop * self.factor, 6))
        last = np.floor(round(self.start + (self.n_thick - drop) * self.factor, 6))
        return slice(max(0, int(first)), max(0, min(n_thin, int(last))))

    def to_meta(self) -> dict[str, Any]:
        """What to add to a volume's metadata; it survives batches of one."""
        width = self.factor if self.width is None else self.width
        return {_KEY: asdict(self) | {"profile": np.asarray(self.profile, dtype=float), "width": width}}

    @classmethod
    def from_meta(cls, meta: Mapping[str, Any]) -> SlabLayout:
        """The layout in a volume's metadata, of a batch of one or without a batch.

        Raises:
            ValueError: there is none.
        """
        if _KEY not in meta:
            raise ValueError("The volume's metadata tell no slabs: ThinSlicesd makes them.")
        stored = {name: torch.as_tensor(value).flatten().tolist() for name, value in meta[_KEY].items()}
        profile = tuple(stored.pop("profile"))
        return cls(profile=profile, **{name: value[0] for name, value in stored.items()})
