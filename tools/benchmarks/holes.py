"""Balls of tissue that are taken out, and what linear interpolation puts in their place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from benchmarks.scans import Scan
from scipy import ndimage

BALL_MM = 12.0
"""Diameter in mm, that of lesions which are hard to find."""
_BALLS = 40


def balls_in(tissue: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """Balls that do not touch, centred in the tissue; bool in its shape."""
    rng = np.random.default_rng(0)
    radius = BALL_MM / 2
    reach = [int(np.ceil(radius / step)) for step in spacing]
    grid = np.meshgrid(
        *(np.arange(-r, r + 1) * s for r, s in zip(reach, spacing, strict=True)), indexing="ij"
    )
    ball = sum(axis**2 for axis in grid) <= radius**2
    inside = np.zeros_like(tissue)
    inner = tuple(slice(2 * r, n - 2 * r) for r, n in zip(reach, tissue.shape, strict=True))
    inside[inner] = tissue[inner]
    balls = np.zeros_like(tissue)
    candidates = rng.permutation(np.argwhere(inside))[: 10 * _BALLS]
    placed = 0
    for centre in candidates:
        near = tuple(slice(c - 2 * r, c + 2 * r + 1) for c, r in zip(centre, reach, strict=True))
        if placed < _BALLS and not balls[near].any():
            cut = tuple(slice(c - r, c + r + 1) for c, r in zip(centre, reach, strict=True))
            balls[cut] |= ball
            placed += 1
    return balls


def interpolated(scan: Scan, balls: np.ndarray) -> np.ndarray:
    """HU with those of the balls interpolated linearly along each axis; of the axes, nearer ends weigh more.

    Along an axis a voxel lies between the first voxels outside the ball at both ends.
    """
    total, weights = np.zeros(scan.hu.shape), np.zeros(scan.hu.shape)
    for axis, step in enumerate(scan.spacing):
        hu, hole = np.moveaxis(scan.hu, axis, -1), np.moveaxis(balls, axis, -1)
        position = np.broadcast_to(np.arange(hu.shape[-1]), hu.shape)
        before = np.maximum.accumulate(np.where(hole, -1, position), axis=-1)
        after = np.minimum.accumulate(np.where(hole, hu.shape[-1], position)[..., ::-1], axis=-1)[..., ::-1]
        valid = hole & (before >= 0) & (after < hu.shape[-1])
        low, high = before.clip(0), after.clip(max=hu.shape[-1] - 1)
        share = (position - low) / np.maximum(high - low, 1)
        ends = [np.take_along_axis(hu, index, -1) for index in (low, high)]
        line = ends[0] * (1 - share) + ends[1] * share
        weight = np.where(valid, 1 / (np.maximum(high - low, 1) * step), 0)
        total += np.moveaxis(line * weight, -1, axis)
        weights += np.moveaxis(weight, -1, axis)
    mean = np.divide(total, weights, out=scan.hu.astype(float), where=weights > 0)
    nearest = ndimage.distance_transform_edt(balls, return_distances=False, return_indices=True)
    return np.where(balls, np.where(weights > 0, mean, scan.hu[tuple(nearest)]), scan.hu)
