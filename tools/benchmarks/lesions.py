"""Synthetic lesions in healthy organs: ellipsoids with a soft edge, of known place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from meddiff_core.errors import InputError

_EDGE_MM = 1.5  # half the width of the edge
_TEXTURE_HU = 8.0


def insert_lesions(
    hu: np.ndarray,
    organ: np.ndarray,
    spacing: Sequence[float],
    count: int = 4,
    radius: Sequence[float] = (5.0, 12.0),
    contrast: float | None = None,
    value: float | None = None,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Insert ellipsoids at random places inside an organ.

    Args:
        hu: healthy volume `(X, Y, Z)` in HU.
        organ: bool `(X, Y, Z)`.
        spacing: voxel size in mm.
        count: how many.
        radius: least and greatest mean radius in mm.
        contrast: HU that are added, which keeps the texture of the organ.
        value: HU that replace it, with a texture of 8 HU; for a nodule in the lung.
        seed: of places, sizes, shapes and texture.

    Returns:
        Volume with lesions, and their mask (where more than half of the lesion is).

    Raises:
        InputError: not exactly one of contrast and value is given, or the organ is too small.
    """
    if (contrast is None) == (value is None):
        raise InputError("A lesion to insert needs either contrast or value, in HU.")
    rng = np.random.default_rng(seed)
    cover = np.zeros(hu.shape, dtype=np.float32)
    for mean_radius in rng.uniform(*radius, count):
        depth = ndimage.distance_transform_edt(organ & (cover == 0), sampling=spacing)
        places = np.argwhere(depth > mean_radius)
        if not len(places):
            raise InputError(f"The organ has no room for a lesion of {mean_radius:.0f} mm: use smaller ones.")
        _paint(cover, rng.choice(places), mean_radius * rng.uniform(0.8, 1.2, 3), spacing, rng)
    cover *= ndimage.gaussian_filter(organ.astype(np.float32), 0.5)
    texture = ndimage.gaussian_filter(rng.standard_normal(hu.shape).astype(np.float32), 1.0)
    target = hu + contrast if value is None else value + _TEXTURE_HU / texture.std() * texture
    return (hu + cover * (target - hu)).astype(np.float32), cover > 0.5


def _paint(
    cover: np.ndarray,
    centre: np.ndarray,
    radii: np.ndarray,
    spacing: Sequence[float],
    rng: np.random.Generator,
) -> None:
    """Raise `cover` to that of a turned ellipsoid, in [0, 1] with a soft edge."""
    reach = np.ceil((radii.max() * (1 + _EDGE_MM / radii.mean())) / np.asarray(spacing)).astype(int)
    box = tuple(slice(max(0, c - r), c + r + 1) for c, r in zip(centre, reach, strict=True))
    grid = np.moveaxis(np.indices(cover[box].shape), 0, -1) + [part.start for part in box]
    offset = (grid - centre) * np.asarray(spacing)
    distance = np.linalg.norm(offset @ Rotation.random(random_state=rng).as_matrix() / radii, axis=-1)
    shape = np.clip(0.5 + (1 - distance) * radii.mean() / (2 * _EDGE_MM), 0, 1)
    cover[box] = np.maximum(cover[box], shape)
