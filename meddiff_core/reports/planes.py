"""The three planes in which a picture shows a volume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from meddiff_core.conditions.body import body_mask

PLANE_NAMES = ("axial", "coronal", "sagittal")
PLANE_SIDES = (("R", "L"), ("R", "L"), ("A", "P"))
"""What lies on the left and on the right of each plane: right, left, anterior, posterior."""

# The axis of the volume that each plane is perpendicular to, and those that it shows down and across.
_AXES = ((2, 1, 0), (1, 2, 0), (0, 2, 1))
# The body's middle is sought on a grid of about this voxel size, for speed.
_GRID_MM = 3.0


@dataclass(frozen=True)
class Planes:
    """Axial, coronal and sagittal plane through one voxel, of volumes on one grid.

    Args:
        shape: voxels `(X, Y, Z)`, axes towards right, anterior, superior.
        spacing: voxel size in mm.
        centre: the voxel through which all three go.
    """

    shape: Sequence[int]
    spacing: Sequence[float]
    centre: Sequence[int]

    def cut(self, volume: np.ndarray) -> list[np.ndarray]:
        """The planes as images: anterior or superior up; the patient's right, or anterior, on the left."""
        images = (np.take(volume, self.centre[axis], axis=axis) for axis, _, _ in _AXES)
        return [image.T[::-1, ::-1].astype(np.float32) for image in images]

    @property
    def labels(self) -> list[str]:
        """What each plane is, with its index."""
        pairs = zip(PLANE_NAMES, _AXES, strict=True)
        return [f"{name} {self.centre[axis]}" for name, (axis, _, _) in pairs]

    @property
    def pixel_aspects(self) -> list[float]:
        """Height of a pixel over its width, in mm."""
        return [self.spacing[down] / self.spacing[across] for _, down, across in _AXES]

    @property
    def aspects(self) -> list[float]:
        """Height of each plane over its width, in mm."""
        pairs = zip(self.pixel_aspects, _AXES, strict=True)
        return [aspect * self.shape[down] / self.shape[across] for aspect, (_, down, across) in pairs]


def middle(inside: np.ndarray) -> tuple[int, ...]:
    """Voxel in the middle of what a mask `(X, Y, Z)` extends over; of the volume where it is empty."""
    for box in ndimage.find_objects(inside.astype(np.uint8)):  # one, or none where the mask is empty
        return tuple((along.start + along.stop - 1) // 2 for along in box)
    return tuple(n // 2 for n in inside.shape)


def inner_voxel(part: np.ndarray) -> tuple[int, ...]:
    """The voxel of a mask nearest to its centre of mass, which lies outside of a curved part."""
    places = np.argwhere(part)
    nearest = np.square(places - places.mean(axis=0)).sum(axis=1).argmin()
    return tuple(int(index) for index in places[nearest])


def body_centre(hu: np.ndarray, spacing: Sequence[float]) -> tuple[int, ...]:
    """Voxel in the middle of the body, or of the volume without one.

    Args:
        hu: CT `(X, Y, Z)` in HU.
        spacing: voxel size in mm.
    """
    body, steps = coarse_body(hu, spacing)
    if not body.any():
        return middle(np.zeros(hu.shape, bool))
    return tuple(index * step for index, step in zip(middle(body), steps, strict=True))


def coarse_body(hu: np.ndarray, spacing: Sequence[float]) -> tuple[np.ndarray, list[int]]:
    """Body mask of every n-th voxel, and n per axis.

    Args:
        hu: CT `(X, Y, Z)` in HU.
        spacing: voxel size in mm.
    """
    steps = [max(1, round(_GRID_MM / float(step))) for step in spacing]
    coarse = hu[tuple(slice(None, None, step) for step in steps)]
    return body_mask(coarse, [float(size) * step for size, step in zip(spacing, steps, strict=True)]), steps
