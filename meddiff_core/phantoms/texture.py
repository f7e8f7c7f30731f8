"""Band-limited noise that is a function of position, so that every grid samples the same field."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse

# Positions within a voxel that are averaged: what is finer than the grid fades instead of aliasing.
_SUBSAMPLES = (-1 / 3, 0.0, 1 / 3)
# Standard deviation of white lattice noise after cubic B-splines along three axes, on average.
_SPLINE_STD = 0.479**1.5


def smooth_noise(
    rng: np.random.Generator, axes: Sequence[np.ndarray], extent: Sequence[float], pitch: float
) -> np.ndarray:
    """Gaussian noise on a lattice of `pitch` mm, interpolated by cubic B-splines.

    Args:
        rng: source of the lattice values; the number drawn depends on `extent` and `pitch` alone.
        axes: voxel centres along each axis in mm, from the middle of the field.
        extent: size of the field in mm.
        pitch: distance of the lattice points in mm; the finest detail is about twice that.

    Returns:
        float32 `(X, Y, Z)`, mean about 0, standard deviation about 1 where the grid resolves the lattice.
    """
    shape = [int(np.ceil(size / pitch)) + 5 for size in extent]
    field = rng.standard_normal(shape, dtype=np.float32)
    for axis, count in zip(axes, shape, strict=True):
        weights = _spline_weights(np.asarray(axis, dtype=float) / pitch + (count - 1) / 2, count)
        rest = field.shape[1:]
        # The leading axis goes to the end each time, so three turns restore the order.
        field = np.moveaxis((weights @ field.reshape(count, -1)).reshape(-1, *rest), 0, -1)
    return np.ascontiguousarray(field) / _SPLINE_STD


def _spline_weights(positions: np.ndarray, count: int) -> sparse.csr_matrix:
    """Cubic B-spline weights `(len(positions), count)` of lattice points, averaged over each voxel."""
    step = positions[1] - positions[0] if len(positions) > 1 else 0.0
    samples = (positions[:, None] + np.asarray(_SUBSAMPLES) * step).clip(1, count - 3)
    first = np.floor(samples).astype(int) - 1
    index = first[..., None] + np.arange(4)
    gap = np.abs(samples[..., None] - index)
    weight = np.where(gap < 1, 2 / 3 - gap**2 + gap**3 / 2, np.maximum(2 - gap, 0) ** 3 / 6) / len(
        _SUBSAMPLES
    )
    rows = np.broadcast_to(np.arange(len(positions))[:, None, None], index.shape)
    entries = (weight.ravel().astype(np.float32), (rows.ravel(), index.ravel()))
    return sparse.csr_matrix(entries, shape=(len(positions), count))
