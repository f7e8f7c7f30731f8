"""A random level of patches for training, of those that a volume's voxel size supports."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from monai.config import KeysCollection
from monai.transforms import MapTransform, Randomizable
from monai.utils import MAX_SEED

from meddiff_core.conditions.voxel_size import ANATOMY_TIMESTEP, COARSE_MM, is_coarse
from meddiff_core.errors import InputError
from meddiff_core.transforms.multi_level import RandLevelPatchd


class RandMultiLevelPatchd(Randomizable, MapTransform):
    """A patch of a random level, of those that the volume's voxel size supports.

    Texture and noise are learned from voxels of a scanner's own size. A volume with larger ones has been
    averaged or interpolated: it serves from twice its voxel size on, and at high noise, where anatomy is
    learned. A level whose patch would reach beyond the volume on every axis is left out, too: it would hold
    the whole volume and its mirror images. The weights of the others are scaled to a sum of 1.

    Adds `coords` as `RandLevelPatchd` does, and `min_timestep`, the least timestep for this patch: that of
    the item if it has one (a phantom, which has no real texture), and no less than `coarse_min_timestep` for
    a coarse volume.

    Args:
        keys: images and label maps of the same grid, `(C, X, Y, Z)`.
        roi_size: size of the patch that comes out.
        zooms: one for each level, see `RandLevelPatchd`; None is the whole volume.
        weights: how often each level is drawn; all alike by default, as in the paper.
        max_voxel_mm: largest in-plane voxel size in mm of a volume that serves at every level.
        coarse_min_timestep: least timestep for a volume with larger voxels.
        options: of `RandLevelPatchd`.

    Raises:
        InputError: no level with a weight fits the volume.
    """

    def __init__(
        self,
        keys: KeysCollection,
        roi_size: Sequence[int] | int,
        zooms: Sequence[float | None] = (None, 2, 1),
        weights: Sequence[float] | None = None,
        max_voxel_mm: float = COARSE_MM,
        coarse_min_timestep: int = ANATOMY_TIMESTEP,
        **options: Any,
    ) -> None:
        super().__init__(keys, options.get("allow_missing_keys", False))
        self.levels = [RandLevelPatchd(keys, roi_size, zoom, **options) for zoom in zooms]
        self.weights = np.array(weights if weights is not None else [1.0] * len(self.levels))
        if len(self.weights) != len(self.levels):
            raise ValueError(f"{len(self.levels)} levels have {len(self.weights)} weights.")
        self.max_voxel_mm = max_voxel_mm
        self.coarse_min_timestep = coarse_min_timestep

    def set_random_state(
        self, seed: int | None = None, state: np.random.RandomState | None = None
    ) -> RandMultiLevelPatchd:
        """Seed the draw of the level and the levels themselves."""
        super().set_random_state(seed, state)
        for level in self.levels:
            level.set_random_state(seed=self.R.randint(MAX_SEED, dtype="uint32"))
        return self

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        spacing, shape = data.get("spacing"), data[self.keys[0]].shape[1:]
        coarse = is_coarse(spacing, self.max_voxel_mm)
        weights = self.weights * [level.suits(shape, coarse) for level in self.levels]
        if not weights.sum():
            raise InputError(
                f"No level of patches fits a volume of {shape} voxels of {spacing} mm: add the whole volume."
            )
        level = self.levels[self.R.choice(len(self.levels), p=weights / weights.sum())]
        result = level(data)
        least = self.coarse_min_timestep if coarse else 0
        result["min_timestep"] = max(least, data.get("min_timestep", 0))
        return result
