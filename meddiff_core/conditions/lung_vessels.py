"""Vessels of the lungs, which an anatomy map does not show: trees that are grown into it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import ndimage
from skimage.graph import MCP_Geometric

_GRID_MM = 2.0
"""Voxels on which trees grow; their branches are laid into the map's voxels afterwards."""
_LEAVES_PER_ML = 2.0
_LEAF_RADIUS_MM = 0.42
_LARGEST_RADIUS_MM = 3.0
_MURRAY = 3.0
"""Cube of the stem's radius is the sum of the branches' cubes (Murray, PNAS 1926)."""
_ROUGHNESS = 0.6
_ROUGH_MM = 5.0
_SURFACE_MM = 4.0
_HILUM_MM = 20.0
_STRAIGHTEN = 6
_PITCH = 0.4
_LEAST_ML = 20.0
_TREES = 2  # arteries and veins


def lung_vessel_share(
    lung: np.ndarray, body: np.ndarray, spacing: Sequence[float], rng: np.random.Generator
) -> np.ndarray:
    """How much of each voxel of the lungs is vessel.

    Two trees a lung, of arteries and of veins, reach from its hilum to evenly strewn leaves along the
    cheapest paths through a random field of costs: paths that come near each other join, as branches do.
    Their radii follow Murray's law.

    Args:
        lung: bool `(X, Y, Z)`.
        body: bool, the same shape, with the lungs; its middle is where the heart is.
        spacing: voxel size in mm.
        rng: source of the leaves and costs.

    Returns:
        float32 `(X, Y, Z)` in [0, 1], 0 outside the lungs and in pieces of lung below 20 ml.
    """
    share = np.zeros(lung.shape, dtype=np.float32)
    if lung.sum() * np.prod(spacing) / 1000 < _LEAST_ML:
        return share
    zoom = np.asarray(spacing, dtype=float) / _GRID_MM
    coarse = ndimage.zoom(lung.astype(np.float32), zoom, order=1, grid_mode=True, mode="nearest") > 0.5
    middle = np.array(ndimage.center_of_mass(body)) * zoom
    pieces, _ = ndimage.label(coarse)
    for number, box in enumerate(ndimage.find_objects(pieces), start=1):
        piece = pieces[box] == number
        if piece.sum() * _GRID_MM**3 / 1000 < _LEAST_ML:
            continue
        corner = np.array([axis.start for axis in box])
        for _ in range(_TREES):
            tree = _grow(piece, middle - corner, rng)
            start, end = ((at + corner + 0.5) / zoom - 0.5 for at in (tree.start, tree.end))
            _lay(share, _Tree(start, end, tree.radius), np.asarray(spacing))
    return np.where(lung, share, 0)


@dataclass(frozen=True)
class _Tree:
    """Pieces of vessels, each between two places.

    Args:
        start: `(N, 3)` in voxels of the grid.
        end: the same.
        radius: `(N,)` in mm.
    """

    start: np.ndarray
    end: np.ndarray
    radius: np.ndarray


def _grow(piece: np.ndarray, middle: np.ndarray, rng: np.random.Generator) -> _Tree:
    """A tree in a piece of lung, whose hilum is where the lung is next to the middle of the body."""
    inside = np.argwhere(piece)
    level = inside[np.abs(inside[:, 2] - inside[:, 2].mean()) < _HILUM_MM / _GRID_MM]
    far = ((level - middle)[:, :2] ** 2).sum(1) * rng.uniform(0.9, 1.1, len(level))
    depth = ndimage.distance_transform_edt(np.pad(piece, 1))[1:-1, 1:-1, 1:-1] * _GRID_MM
    costs = np.exp(_ROUGHNESS * _smooth_noise(piece.shape, rng)) * (1 + np.exp(-depth / _SURFACE_MM))
    paths = MCP_Geometric(np.where(piece, costs, np.inf))
    paths.find_costs([tuple(level[np.argmin(far)])])
    parent: dict[tuple[int, ...], tuple[int, ...]] = {}
    flow: Counter = Counter()
    for leaf in inside[rng.random(len(inside)) < _LEAVES_PER_ML * _GRID_MM**3 / 1000]:
        path = paths.traceback(tuple(leaf))[::-1]
        flow.update(path[:-1])
        parent.update(pairwise(path))
    number = {place: n for n, place in enumerate(parent | dict.fromkeys(parent.values()))}
    edges = np.array([(number[child], number[root]) for child, root in parent.items()])
    places = _straightened(np.array(list(number), dtype=float), edges)
    radius = _LEAF_RADIUS_MM * np.array([flow[child] for child in parent]) ** (1 / _MURRAY)
    return _Tree(places[edges[:, 0]], places[edges[:, 1]], np.minimum(radius, _LARGEST_RADIUS_MM))


def _straightened(places: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Places between which vessels run straight on, where the steps of the grid made them bend."""
    child, root = edges.T
    for _ in range(_STRAIGHTEN):
        pull, count = np.zeros_like(places), np.zeros((len(places), 1))
        for here, there in ((child, root), (root, child)):
            np.add.at(pull, here, places[there])
            np.add.at(count, here, 1)
        places = np.where(count > 1, (places + pull / np.maximum(count, 1)) / 2, places)
    return places


def _smooth_noise(shape: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    noise = ndimage.gaussian_filter(rng.standard_normal(shape), _ROUGH_MM / _GRID_MM)
    return noise / max(noise.std(), 1e-6)


def _lay(share: np.ndarray, tree: _Tree, spacing: np.ndarray) -> None:
    """Lay a tree, with places in voxels of `share`, into it; where vessels meet, the larger share counts."""
    voxel = float(np.prod(spacing)) ** (1 / 3)
    steps = (
        np.ceil(np.linalg.norm((tree.end - tree.start) * spacing, axis=1) / (_PITCH * voxel)).astype(int) + 1
    )
    piece = np.repeat(np.arange(len(steps)), steps)
    along = (np.arange(len(piece)) - np.repeat(np.cumsum(steps) - steps, steps)) / steps[piece]
    places = tree.start[piece] + (tree.end - tree.start)[piece] * along[:, None]
    radius = np.maximum(tree.radius, voxel / 2)
    thin = np.minimum(1, (2 * tree.radius / voxel) ** 2)  # what fills a part of its voxel only
    reach = np.ceil(radius / voxel + 0.5).astype(int)
    for size in np.unique(reach):
        chosen = reach[piece] == size
        offsets = np.argwhere(np.ones([2 * int(n) + 1 for n in np.ceil(size * voxel / spacing)]))
        offsets -= offsets.max(0) // 2
        here, nearest = places[chosen], np.rint(places[chosen]).astype(int)
        for offset in offsets:
            at = nearest + offset
            ok = ((at >= 0) & (at < share.shape)).all(1)
            distance = np.linalg.norm((at - here) * spacing, axis=1)
            covered = np.clip((radius[piece][chosen] - distance) / voxel + 0.5, 0, 1) * thin[piece][chosen]
            np.maximum.at(share, tuple(at[ok].T), covered[ok].astype(np.float32))
