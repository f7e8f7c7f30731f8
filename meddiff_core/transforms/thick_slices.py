"""Thick slices for the training of super-resolution, simulated from thin ones."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, Randomizable

from meddiff_core.errors import check_choice
from meddiff_core.physics.noise_spectrum import NoiseSpectrum
from meddiff_core.physics.slab_bounds import smooth_within_range
from meddiff_core.physics.slabs import SlabMeans
from meddiff_core.physics.slice_profiles import SLICE_PROFILES

_LEAST_DISTANCE = 1.5
"""Thin voxels from slab to slab below which there is next to nothing to add."""


class RandSliceAxisd(MapTransform, Randomizable):
    """Turns a patch so that its slices lie across another axis than z, for `RandThickSlicesd`.

    Detail in plane teaches detail between slices, too: coronal and sagittal scans ask for it, and scans of
    thick slices have no other. A patch that has its thick scan already (a real pair) is left alone.

    Args:
        keys: patches `(C, X, Y, Z)` of one grid.
        prob: how often the axis is x or y.
        max_slice_mm: distance of slices in mm beyond which it always is.
        thick_key: key of the real thick patch.
    """

    def __init__(
        self, keys: KeysCollection, prob: float = 1 / 3, max_slice_mm: float = 3.0, thick_key: str = "thick"
    ) -> None:
        super().__init__(keys)
        self.prob = prob
        self.max_slice_mm = max_slice_mm
        self.thick_key = thick_key

    def __call__(self, data: Mapping[Hashable, torch.Tensor]) -> dict[Hashable, torch.Tensor]:
        result = dict(data)
        spacing = result.get("spacing", (0, 0, 0))
        turned = spacing[2] > self.max_slice_mm or self.R.random() < self.prob
        axis = int(self.R.randint(1, 3))
        if turned and self.thick_key not in result:
            for key in self.key_iterator(result):
                result[key] = torch.as_tensor(result[key]).swapaxes(axis, 3)
        return result


class RandThickSlicesd(MapTransform, Randomizable):
    """Adds what a thick-slice scan of the same patch would look like, upsampled again (eq. 12).

    Slabs along the last axis (z in RAS) of a random, in general not whole thickness and a random start, as a
    window cuts them. A patch that has its thick scan already (a real pair) is left alone.

    Noise of the thick slices is added to the thin patch, too, as far as its slab means tell it: the result of
    super-resolution agrees with the slices, so their noise belongs to it.

    Args:
        keys: thin patches `(C, X, Y, Z)`, in HU.
        thick_key: key of the upsampled thick patch, on the grid of the thin one.
        factor: least and greatest thickness of a slab in thin voxels (full width at half maximum).
        distance: least and greatest distance of the slabs in slab thicknesses, where they are not side by
            side: below 1 they overlap, above they leave gaps.
        side_by_side: how often the slabs lie side by side.
        profiles: names of `SLICE_PROFILES`, one of which is drawn.
        noise: greatest standard deviation of the noise of the thick slices, in HU.
        noisy: how often there is noise.
    """

    def __init__(
        self,
        keys: KeysCollection,
        thick_key: str = "thick",
        factor: Sequence[float] = (2.0, 5.0),
        distance: Sequence[float] = (0.5, 1.5),
        side_by_side: float = 1.0,
        profiles: Sequence[str] = ("box",),
        noise: float = 15.0,
        noisy: float = 0.0,
    ) -> None:
        super().__init__(keys)
        self.thick_key = thick_key
        self.factor = tuple(factor)
        self.distance = tuple(distance)
        self.side_by_side = side_by_side
        self.profiles = [SLICE_PROFILES[check_choice("profiles", name, SLICE_PROFILES)] for name in profiles]
        self.noise = noise
        self.noisy = noisy

    def __call__(self, data: Mapping[Hashable, torch.Tensor]) -> dict[Hashable, torch.Tensor]:
        result = dict(data)
        for key in self.key_iterator(result):
            if self.thick_key not in result:
                thin = torch.as_tensor(result[key]).float()
                slabs = self.draw_slabs(thin.shape[-1])
                thick = slabs.thick(thin)
                if self.R.random() < self.noisy:
                    noise = self.draw_noise(slabs, thin.shape)
                    thick, result[key] = thick + noise, thin + slabs.upsample(noise)
                result[self.thick_key] = smooth_within_range(thick, slabs)
        return result

    def draw_slabs(self, n_thin: int) -> SlabMeans:
        """Random slabs over `n_thin` voxels."""
        thickness = float(self.R.uniform(*self.factor))
        if self.R.random() < 0.5:  # most scans have whole factors
            thickness = float(round(thickness))
        distance = thickness
        if self.R.random() >= self.side_by_side:
            distance = max(_LEAST_DISTANCE, thickness * float(self.R.uniform(*self.distance)))
        profile = self.profiles[self.R.randint(len(self.profiles))]
        start = -float(self.R.uniform(0, 0.5)) * distance  # the centres of all slabs lie within the patch
        n_thick = max(1, round((n_thin - start) / distance))
        return SlabMeans(n_thin, n_thick, profile.weights, start, distance, thickness * profile.extent)

    def draw_noise(self, slabs: SlabMeans, shape: Sequence[int]) -> torch.Tensor:
        """Noise of a random scanner in thick slices `(C, X, Y, n_thick)` of a patch of `shape`, in HU."""
        spectrum = NoiseSpectrum.random(np.random.default_rng(self.R.randint(2**31 - 1)))
        generator = torch.Generator().manual_seed(int(self.R.randint(2**31 - 1)))
        noise = slabs.thick(torch.stack([spectrum.draw(shape[1:], generator) for _ in range(shape[0])]))
        return noise * (float(self.R.uniform(0, self.noise)) / noise.std())
