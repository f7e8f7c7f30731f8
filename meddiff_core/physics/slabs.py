"""Thick slices as means of thin ones: the operator of super-resolution (MedDiff-FM, eq. 12)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import torch

# Small ridge on first differences: with one slab, second differences alone leave any slope free.
_FLATNESS = 1e-6
# Differences of slices that overlap: what lies below this part of the greatest eigenvalue of H H^T is damped.
_BINDING = 0.05
# Noise of the slices where they do not bind, in variances of a second difference of thin voxels.
_NOISE = 0.003


class SlabMeans:
    """H, which makes each thick slice the weighted mean of the thin voxels that lie in its slab.

    Works along the last axis. Slabs of `width` thin voxels have their centres `factor` thin voxels apart,
    the first at `start + factor / 2`. They overlap where the width is greater than the factor, and leave gaps
    where it is less. None of these need be whole: a voxel on the border belongs to a slab in part. Where a
    slab reaches beyond the thin volume, the mean is over the part inside.

    Where slabs overlap, what tells their slices apart is little, and noise is most of it. So the parts of the
    slices that H shrinks most (eigenvectors of `H H^T` below 0.05 of the greatest eigenvalue) do not bind:
    they are followed as far as noise allows.

    Args:
        n_thin: thin voxels.
        n_thick: thick slices.
        profile: relative weights over one slab from its first edge to its last, evenly spaced and not
            negative; default the mean (a box).
        start: edge of the first slab's share of the volume, in thin voxels from the volume's edge.
        factor: thin voxels from slab to slab; default `n_thin / n_thick`.
        width: thin voxels of one slab; default `factor`, slabs side by side.

    Raises:
        ValueError: for a slab that holds no voxel, or slabs closer than a voxel.
    """

    def __init__(
        self,
        n_thin: int,
        n_thick: int,
        profile: Sequence[float] = (1.0,),
        start: float = 0.0,
        factor: float | None = None,
        width: float | None = None,
    ) -> None:
        self.factor = n_thin / n_thick if factor is None else factor
        self.width = self.factor if width is None else width
        if self.factor < 1:
            raise ValueError(f"{n_thick} slabs of {self.factor:.3g} voxels: a slab holds at least one voxel.")
        self.start = start
        self.matrix = self._matrix(n_thin, n_thick, profile)
        if not bool((self.matrix.sum(dim=1) > 0).all()):
            raise ValueError(f"{n_thick} slabs of {self.factor:.3g} voxels reach beyond {n_thin} voxels.")
        self.matrix /= self.matrix.sum(dim=1, keepdim=True)

    def _matrix(self, n_thin: int, n_thick: int, profile: Sequence[float]) -> torch.Tensor:
        """Weights `(n_thick, n_thin)`: the profile integrated over each thin voxel."""
        weights = torch.tensor(profile, dtype=torch.float64)
        centres = self.start + (torch.arange(n_thick, dtype=torch.float64) + 0.5) * self.factor
        edges = centres[:, None] + (torch.linspace(0, 1, len(weights) + 1).double() - 0.5) * self.width
        voxels = torch.arange(n_thin, dtype=torch.float64)
        overlap = torch.minimum(edges[:, 1:, None], voxels + 1) - torch.maximum(edges[:, :-1, None], voxels)
        return torch.einsum("p,tpn->tn", weights, overlap.clamp(min=0))

    @cached_property
    def _spectrum(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Eigenvalues and eigenvectors of `H H^T`, and how far each binds: 1, or less where slabs overlap."""
        values, vectors = torch.linalg.eigh(self.matrix @ self.matrix.T)
        return values, vectors, (values / (_BINDING * values[-1])).clamp(0, 1)

    @cached_property
    def _gain(self) -> torch.Tensor:
        """`(n_thick, n_thin)`: what each voxel takes of a difference to the slices that is to vanish."""
        values, vectors, binding = self._spectrum
        inverse = binding.square() / values.clamp(min=torch.finfo(values.dtype).tiny)
        return (vectors * inverse) @ vectors.T @ self.matrix

    def thick(self, x: torch.Tensor) -> torch.Tensor:
        """H x: `(..., n_thin)` to `(..., n_thick)`."""
        return x @ self.matrix.T.to(x)

    def correct(self, x: torch.Tensor, y: torch.Tensor, rho: float = 0.0) -> torch.Tensor:
        """`argmin |y - H z|^2 + rho |z - x|^2 = x + H^T (H H^T + rho)^-1 (y - H x)` over z, exactly (eq. 12).

        With s thin voxels per slab and the mean as profile that is `x + U(y - H x) / (1 + s rho)`, where U
        repeats a slice over its slab: `H^T = U / s` and `H H^T = 1 / s`.

        Args:
            x: `(..., n_thin)`.
            y: measured thick slices, `(..., n_thick)`.
            rho: weight of `x`; 0 gives the nearest `z` whose slab means are `y`, as far as they bind.
        """
        gain = self._gain
        if rho:
            gram = self.matrix @ self.matrix.T + rho * torch.eye(len(self.matrix), dtype=torch.float64)
            gain = torch.linalg.solve(gram, self.matrix)  # (n_thick, n_thin), the transpose of H^T (...)^-1
        return x + (y - self.thick(x)) @ gain.to(x)

    def upsample(self, y: torch.Tensor) -> torch.Tensor:
        """The smoothest volume whose slab means are `y`: the least sum of squared second differences.

        0.3 to 1.6 dB better than linear interpolation with `correct` (factors 2 to 5, two chest CTs).
        """
        return y @ self._smoothest.T.to(y)

    @cached_property
    def _smoothest(self) -> torch.Tensor:
        """`(n_thin, n_thick)`: the volumes of the slices that are 1 in one slab and 0 in the others."""
        n_thick, n_thin = self.matrix.shape
        eye = torch.eye(n_thin, dtype=torch.float64)
        first, second = eye.diff(dim=0), eye.diff(n=2, dim=0)
        rough = second.T @ second + _FLATNESS * first.T @ first
        # the stationary point of Lagrange: [rough H^T; H -noise] [z; multipliers] = [0; y]
        _, vectors, binding = self._spectrum
        noise = (vectors * (_NOISE * (1 - binding))) @ vectors.T
        system = torch.cat([torch.cat([rough, self.matrix.T], 1), torch.cat([self.matrix, -noise], 1)])
        right = torch.cat([torch.zeros(n_thin, n_thick, dtype=torch.float64), torch.eye(n_thick)])
        return torch.linalg.solve(system, right)[:n_thin]

    def interpolate(self, y: torch.Tensor) -> torch.Tensor:
        """Linear interpolation between the slabs' centres, constant beyond the outer ones."""
        n_thick, n_thin = self.matrix.shape
        centres = (torch.arange(n_thin) + 0.5 - self.start) / self.factor - 0.5  # in thick slices
        centres = centres.clamp(0, n_thick - 1)
        below = centres.floor().long().clamp(max=max(0, n_thick - 2))
        above = (below + 1).clamp(max=n_thick - 1)
        return torch.lerp(y[..., below], y[..., above], (centres - below).to(y))

    def repeat(self, y: torch.Tensor) -> torch.Tensor:
        """U y: every thin voxel takes the slice in whose slab its centre lies."""
        n_thick, n_thin = self.matrix.shape
        slab = ((torch.arange(n_thin) + 0.5 - self.start) / self.factor).floor().long()
        return y[..., slab.clamp(0, n_thick - 1)]


def slabs_of(n_thin: int, factor: float) -> int:
    """Slabs of `factor` voxels that it takes to cover `n_thin`; the last may reach beyond."""
    return math.ceil(n_thin / factor - 1e-6)
