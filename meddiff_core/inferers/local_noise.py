"""Balls of noise on shifted lattices, so that every place is once asked for, given its surroundings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

import torch
from torch.nn import functional as F

from meddiff_core.inferers.volume import Volume

SHIFTS = 3
"""Places of the lattice per axis."""

_PITCH = 2.5
"""Distance of neighbouring balls in radii: what lies between them stays clean."""


def balls(
    shape: Sequence[int], spacing: Sequence[float], radius: float
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Balls on a cubic lattice, at `SHIFTS` ** 3 places that together cover every voxel.

    Args:
        shape: `(X, Y, Z)`.
        spacing: voxel size in mm.
        radius: of a ball in mm.

    Yields:
        Where the noise goes, bool `(X, Y, Z)`, and how much the answer counts there: most in the middle of a
        ball, 0 from its surface on.
    """
    pitch = _PITCH * radius
    for shift in product(range(SHIFTS), repeat=3):
        squared = torch.zeros(tuple(shape))
        for axis, (size, step, place) in enumerate(zip(shape, spacing, shift, strict=True)):
            offset = torch.arange(size) * step - place * pitch / SHIFTS
            offset = torch.remainder(offset + pitch / 2, pitch) - pitch / 2
            squared += (offset**2).reshape([-1 if a == axis else 1 for a in range(3)])
        share = squared / radius**2
        yield share <= 1, (1 - share).clamp_min(0) ** 2


def on_coarser_grid(volume: Volume, voxel_mm: float) -> Volume:
    """The volume on voxels of at least `voxel_mm`, image antialiased, labels by the nearest.

    It covers the same part of the body, and keeps its coordinates and the rest.
    """
    spacing, shape = volume.spacing, volume.image.shape[2:]
    size = [max(1, round(n * min(1.0, step / voxel_mm))) for n, step in zip(shape, spacing, strict=True)]
    if tuple(size) == tuple(shape):
        return volume
    affine = torch.as_tensor(volume.meta["affine"]).reshape(-1, 4, 4)[0].clone()
    affine[:3, :3] *= torch.tensor([n / m for n, m in zip(shape, size, strict=True)]).to(affine)
    labels = volume.conditions
    return replace(
        volume,
        image=F.interpolate(volume.image, size=size, mode="area"),
        conditions=None if labels is None else F.interpolate(labels, size=size, mode="nearest-exact"),
        axes=tuple(_resized(axis, n) for axis, n in zip(volume.coordinates, size, strict=True)),
        meta=volume.meta | {"affine": affine},
    )


def _resized(axis: torch.Tensor, size: int) -> torch.Tensor:
    """Coordinates of the centres of `size` voxels in place of those of `axis`."""
    return F.interpolate(axis[None, None].float(), size=size, mode="area")[0, 0]
