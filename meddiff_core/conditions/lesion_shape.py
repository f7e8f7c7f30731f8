"""Masks of lesions that nobody drew: lobulated ellipsoids of a wanted size at random places in an organ."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from meddiff_core.errors import InputError, check_flag

# Longest over shortest axis is at most the ratio of these.
_AXES = (0.75, 1.3)
# Log of the factor by which the most irregular surface leaves its ellipsoid, at most.
_DISPLACEMENT = 0.5
# Waves that make up the displacement, and their frequencies in radians per radius: a few lobes; at the most
# irregular also spicules.
_WAVES, _LOBES, _SPICULES = 32, 1.5, 8.0
# An organ may cut off the rest.
_LEAST_INSIDE = 0.85
_TRIES = 2000
# What does not fit is made this much smaller, down to the least diameter.
_SHRINK = 0.8


class NoRoom(InputError):
    """An organ has no room for the lesions that are asked for."""


def sample_lesion_mask(
    organ: np.ndarray,
    spacing: Sequence[float],
    count: int = 1,
    diameter: Sequence[float] = (10.0, 30.0),
    irregularity: float = 0.3,
    seed: int = 0,
    keep_out: np.ndarray | None = None,
    at_surface: bool = False,
) -> np.ndarray:
    """Draw lesions within an organ that do not touch each other; each is connected.

    Args:
        organ: bool `(X, Y, Z)`.
        spacing: voxel size in mm.
        count: how many lesions.
        diameter: least and greatest diameter in mm, of a ball of the lesion's volume; log-uniform between
            them. One that finds no room is made smaller; the organ may cut off up to 15 % of its volume.
        irregularity: 0 is an ellipsoid, 0.3 (default) a lobulated lesion, 1 a spiculated one.
        seed: of places, sizes and shapes.
        keep_out: bool `(X, Y, Z)`, what no lesion may touch.
        at_surface: each lesion touches the surface of the organ, such as pleura or capsule.

    Returns:
        bool `(X, Y, Z)`.

    Raises:
        InputError: an option is outside its range.
        NoRoom: the organ has no room.
    """
    _check(count, diameter, irregularity)
    at_surface = check_flag("at_surface", at_surface)
    if not organ.any():
        raise InputError("The organ for the lesion is empty: choose one that the scan shows.")
    rng = np.random.default_rng(seed)
    least, greatest = map(float, diameter)
    depth = ndimage.distance_transform_edt(organ, spacing) if at_surface else None
    result = np.zeros(organ.shape, dtype=bool)
    taken = result.copy() if keep_out is None else keep_out.astype(bool)
    # The largest first, while there is most room.
    for size in np.sort(np.exp(rng.uniform(np.log(least), np.log(greatest), count)))[::-1]:
        placed = None
        while placed is None:
            within = np.flatnonzero(organ if depth is None else organ & (depth <= size / 2))
            lesion = _lesion(size, spacing, irregularity, rng)
            placed = _place(lesion, organ, taken, within, rng, at_surface)
            if size <= least:
                break
            size = max(least, _SHRINK * size)
        if placed is None:
            raise NoRoom(
                f"The organ has no room for {count} lesion(s) of at least {least:g} mm in diameter: "
                "use a smaller diameter, fewer lesions or another organ."
            )
        box, lesion = placed
        result[box] |= lesion
        taken[box] |= lesion
    return result


def _check(count: int, diameter: Sequence[float], irregularity: float) -> None:
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise InputError(f"The number of lesions is {count!r}: use a whole number of at least 1.")
    try:
        least, greatest = map(float, diameter)
        usable = 0 < least <= greatest < np.inf
    except (TypeError, ValueError):
        usable = False
    if not usable:
        raise InputError(f"The lesion diameter is {diameter!r}: give the least and the greatest in mm.")
    if isinstance(irregularity, bool | str) or not 0 <= irregularity <= 1:
        raise InputError(f"irregularity is {irregularity!r}: use a number from 0 to 1.")


def _lesion(
    diameter: float, spacing: Sequence[float], irregularity: float, rng: np.random.Generator
) -> np.ndarray:
    """One lesion as bool `(x, y, z)`, with an empty voxel on all sides."""
    strength = _DISPLACEMENT * irregularity
    radii = diameter / 2 * rng.uniform(*_AXES, 3)
    reach = 1.1 * radii.max() * np.exp(strength)
    axes = [np.arange(-np.ceil(reach / step), np.ceil(reach / step) + 1) * step for step in spacing]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    local = grid @ Rotation.random(None, rng).as_matrix() / radii
    distance = np.linalg.norm(local, axis=-1)
    direction = local / np.maximum(distance, 1e-6)[..., None]
    level = distance * np.exp(-strength * np.tanh(_noise(direction, irregularity, rng)))
    # As many voxels as the volume asks for, whatever the noise did to it.
    voxels = max(1, round(np.pi / 6 * diameter**3 / np.prod(spacing)))
    lesion, _ = largest_part(level <= np.partition(level, voxels - 1, axis=None)[voxels - 1])
    return np.pad(lesion[ndimage.find_objects(lesion.view(np.uint8))[0]], 1)


def _noise(direction: np.ndarray, irregularity: float, rng: np.random.Generator) -> np.ndarray:
    """Smooth noise over the sphere of unit vectors `(..., 3)`, about normal: a sum of random plane waves."""
    heading = rng.standard_normal((_WAVES, 3))
    heading /= np.linalg.norm(heading, axis=1, keepdims=True)
    frequency = rng.uniform(_LOBES, _LOBES + _SPICULES * irregularity, _WAVES)
    phase = rng.uniform(0, 2 * np.pi, _WAVES)
    waves = zip(heading * frequency[:, None], phase, strict=True)
    return np.sqrt(2 / _WAVES) * sum(np.cos(direction @ wave + shift) for wave, shift in waves)


def largest_part(mask: np.ndarray) -> tuple[np.ndarray, int]:
    """The largest connected component of a bool mask, and how many there are."""
    parts, count = ndimage.label(mask)
    return (parts == np.bincount(parts[mask])[1:].argmax() + 1 if count else mask), count


def _place(
    lesion: np.ndarray,
    organ: np.ndarray,
    taken: np.ndarray,
    within: np.ndarray,
    rng: np.random.Generator,
    at_surface: bool,
) -> tuple[tuple[slice, ...], np.ndarray] | None:
    """A box of the volume and the lesion's part in it, or None where no place was found."""
    size = np.asarray(lesion.shape)
    centres = np.stack(np.unravel_index(rng.choice(within, _TRIES), organ.shape), axis=-1)
    starts = centres - size // 2
    starts = starts[(starts >= 0).all(axis=1) & (starts + size <= organ.shape).all(axis=1)]
    least, rim = _LEAST_INSIDE * lesion.sum(), ndimage.binary_dilation(lesion, np.ones((3, 3, 3)))
    for start in starts:
        box = tuple(slice(a, a + n) for a, n in zip(start, size, strict=True))
        part = lesion & organ[box]
        if part.sum() >= least and not (rim & taken[box]).any():
            part, _ = largest_part(part)
            touches = not at_surface or (ndimage.binary_dilation(part) & ~organ[box]).any()
            if part.sum() >= least and touches:
                return box, part
    return None
