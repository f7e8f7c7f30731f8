"""Implicit shapes in millimetres: each gives an approximate signed distance, negative inside.

Distances are exact enough near the surface, where they decide the partial volume of a voxel. All shapes take
broadcastable coordinate arrays `x, y, z` in mm, with x to the patient's right, y to the front, z to the head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline, PchipInterpolator
from scipy.spatial.transform import Rotation

_EVERYWHERE = (np.full(3, -np.inf), np.full(3, np.inf))


class Shape:
    """A solid; `a & b` is the intersection, `~a` the complement, `a.inset(mm)` the solid shrunk by `mm`."""

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper corner in mm of a box that holds the solid."""
        return _EVERYWHERE

    def distance(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Signed distance in mm."""
        raise NotImplementedError

    def fill(self, width: float) -> float:
        """Opacity of the solid in voxels of `width` mm: below 1 where it is thinner than they are."""
        return 1.0

    def __and__(self, other: Shape) -> Shape:
        return _Intersection(self, other)

    def __invert__(self) -> Shape:
        return _Complement(self)

    def inset(self, depth: float) -> Shape:
        """The solid without its outer `depth` mm; a negative depth grows it."""
        return _Inset(self, depth)


@dataclass(frozen=True)
class _Intersection(Shape):
    first: Shape
    second: Shape

    def bounds(self):
        (low, high), (other_low, other_high) = self.first.bounds(), self.second.bounds()
        return np.maximum(low, other_low), np.minimum(high, other_high)

    def distance(self, x, y, z):
        return np.maximum(self.first.distance(x, y, z), self.second.distance(x, y, z))


@dataclass(frozen=True)
class _Complement(Shape):
    shape: Shape

    def distance(self, x, y, z):
        return -self.shape.distance(x, y, z)


@dataclass(frozen=True)
class _Inset(Shape):
    shape: Shape
    depth: float

    def bounds(self):
        low, high = self.shape.bounds()
        return low + self.depth, high - self.depth

    def distance(self, x, y, z):
        return self.shape.distance(x, y, z) + self.depth


@dataclass(frozen=True)
class HalfSpace(Shape):
    """Everything behind the plane through `point`; `normal` points out."""

    point: Sequence[float]
    normal: Sequence[float]

    def distance(self, x, y, z):
        normal = np.asarray(self.normal, dtype=np.float32) / np.linalg.norm(self.normal)
        return sum(n * (c - np.float32(p)) for n, c, p in zip(normal, (x, y, z), self.point, strict=True))


@dataclass(frozen=True)
class Ellipsoid(Shape):
    """Superellipsoid: larger `power` is boxier, 2 an ellipsoid; `turn` holds Euler angles xyz in degrees."""

    center: Sequence[float]
    radii: Sequence[float]
    power: float = 2.0
    turn: Sequence[float] = (0.0, 0.0, 0.0)

    def bounds(self):
        reach = np.asarray(self.radii, dtype=float)
        if any(self.turn):
            # Rows of |R| r bound the turned box; boxy powers stay within it.
            reach = np.abs(Rotation.from_euler("xyz", self.turn, degrees=True).as_matrix()) @ reach
        return np.subtract(self.center, reach), np.add(self.center, reach)

    def distance(self, x, y, z):
        local = [c - np.float32(p) for c, p in zip((x, y, z), self.center, strict=True)]
        if any(self.turn):
            axes = Rotation.from_euler("xyz", self.turn, degrees=True).as_matrix().T.astype(np.float32)
            local = [sum(a * c for a, c in zip(axis, local, strict=True)) for axis in axes]
        return _radial(local, self.radii, self.power)


@dataclass(frozen=True)
class Column(Shape):
    """Stack of axial superellipses: `knots` are rows of (z, center x, center y, radius x, radius y) in mm."""

    knots: Sequence[Sequence[float]]
    power: float = 2.0

    def bounds(self):
        z, cx, cy, rx, ry = np.asarray(self.knots, dtype=float).T
        low = np.array([(cx - rx).min(), (cy - ry).min(), z.min()])
        return low, np.array([(cx + rx).max(), (cy + ry).max(), z.max()])

    def distance(self, x, y, z):
        knots = np.asarray(self.knots, dtype=float)
        knots = knots[knots[:, 0].argsort()]
        profile = PchipInterpolator(knots[:, 0], knots[:, 1:], extrapolate=False)
        cx, cy, rx, ry = np.moveaxis(profile(np.clip(z, knots[0, 0], knots[-1, 0])), -1, 0).astype(np.float32)
        ends = np.maximum(np.float32(knots[0, 0]) - z, z - np.float32(knots[-1, 0]))
        return np.maximum(_radial([x - cx, y - cy], [rx, ry], self.power), ends)


@dataclass(frozen=True)
class Tube(Shape):
    """Smooth curve through `points` `(N, 3)` with a radius that goes linearly through `radii` (N or 1)."""

    points: Sequence[Sequence[float]]
    radii: Sequence[float]
    steps: int = 6

    def path(self) -> tuple[np.ndarray, np.ndarray]:
        """The curve as a polyline `(M, 3)` and the radius at its vertices `(M,)`."""
        points = np.asarray(self.points, dtype=float)
        radii = np.broadcast_to(np.asarray(self.radii, dtype=float), len(points))
        if len(points) == 2:
            return points, radii
        at = np.arange(len(points))
        fine = np.linspace(0, at[-1], at[-1] * self.steps + 1)
        return CubicSpline(at, points)(fine), np.interp(fine, at, radii)

    def bounds(self):
        points, radii = self.path()
        return (points - radii[:, None]).min(axis=0), (points + radii[:, None]).max(axis=0)

    def fill(self, width):
        return min(1.0, 2 * float(np.mean(self.radii)) / width) ** 2

    def distance(self, x, y, z):
        points, radii = (a.astype(np.float32) for a in self.path())
        if len(points) == 2:
            return _capsule((x, y, z), points, radii)
        result = np.full(np.broadcast_shapes(x.shape, y.shape, z.shape), np.float32(np.inf))
        for k in range(len(points) - 1):
            near = _near((x, y, z), points[k : k + 2], radii[k : k + 2].max() * 1.5 + 4)
            part = [
                c[tuple(s if n > 1 else slice(None) for s, n in zip(near, c.shape, strict=True))]
                for c in (x, y, z)
            ]
            result[near] = np.minimum(result[near], _capsule(part, points[k : k + 2], radii[k : k + 2]))
        return result


def _radial(local: Sequence[np.ndarray], radii: Sequence, power: float) -> np.ndarray:
    """Distance to a superellipsoid along the ray from its center."""
    level = sum(
        np.abs(c / np.asarray(r, dtype=np.float32)) ** power for c, r in zip(local, radii, strict=True)
    )
    level = np.maximum(level, 1e-6) ** (1 / power)
    length = np.sqrt(sum(c * c for c in local))
    # At the very center the ray has no direction; the smallest radius is the depth there.
    return np.where(length > 1e-3, length * (1 - 1 / level), -np.min(radii)).astype(np.float32)


def _near(coordinates: Sequence[np.ndarray], ends: np.ndarray, margin: float) -> tuple[slice, ...]:
    """Index ranges of an open grid that lie within `margin` of the box around `ends`."""
    low, high = ends.min(axis=0) - margin, ends.max(axis=0) + margin
    axes = [np.searchsorted(c.ravel(), (a, b)) for c, a, b in zip(coordinates, low, high, strict=True)]
    return tuple(slice(*axis) for axis in axes)


def _capsule(coordinates: Sequence[np.ndarray], ends: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Distance to a round cone between two points."""
    start, axis = ends[0], ends[1] - ends[0]
    local = [c - s for c, s in zip(coordinates, start, strict=True)]
    along = sum(c * a for c, a in zip(local, axis, strict=True)) / max(float(axis @ axis), 1e-6)
    along = np.clip(along, 0, 1)
    gap = np.sqrt(sum((c - along * a) ** 2 for c, a in zip(local, axis, strict=True)))
    return gap - (radii[0] + along * (radii[1] - radii[0]))
