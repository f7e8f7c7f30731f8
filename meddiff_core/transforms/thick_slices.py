"""Thick slices for the training of super-resolution, simulated from thin ones."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, Randomizable

from meddiff_core.physics.slabs import SlabMeans, slabs_of


class RandThickSlicesd(MapTransform, Randomizable):
    """Adds what a thick-slice scan of the same patch would look like, upsampled again (eq. 12).

    Slabs along the last axis (z in RAS) of a random, in general not whole factor and a random start, as a
    window cuts them. A patch that has its thick scan already (a real pair) is left alone.

    Args:
        keys: thin patches `(C, X, Y, Z)`, in HU.
        thick_key: key of the upsampled thick patch, on the grid of the thin one.
        factor: least and greatest number of thin voxels per slab.
    """

    def __init__(
        self, keys: KeysCollection, thick_key: str = "thick", factor: Sequence[float] = (2.0, 5.0)
    ) -> None:
        super().__init__(keys)
        self.thick_key = thick_key
        self.factor = tuple(factor)

    def __call__(self, data: Mapping[Hashable, torch.Tensor]) -> dict[Hashable, torch.Tensor]:
        result = dict(data)
        for key in self.key_iterator(result):
            if self.thick_key not in result:
                result[self.thick_key] = self._thick(torch.as_tensor(result[key]).float())
        return result

    def _thick(self, thin: torch.Tensor) -> torch.Tensor:
        n_thin = thin.shape[-1]
        factor = float(self.R.uniform(*self.factor))
        if self.R.random() < 0.5:  # most scans have whole factors
            factor = float(round(factor))
        start = -float(self.R.uniform(0, 0.8)) * factor
        slabs = SlabMeans(n_thin, slabs_of(n_thin - start, factor), start=start, factor=factor)
        return slabs.upsample(slabs.thick(thin))
