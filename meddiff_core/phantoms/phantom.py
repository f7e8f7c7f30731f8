"""Analytic CT phantoms of head and neck, chest and abdomen: free to ship, with known anatomy and lesions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from meddiff_core.conditions.regions import check_region
from meddiff_core.errors import InputError, check_choice
from meddiff_core.phantoms import abdomen, chest, head
from meddiff_core.phantoms.canvas import Canvas
from meddiff_core.phantoms.lesions import paint_lesions

_REGIONS = {
    "head_neck": (head.paint_head, head.EXTENT, head.LESION_HOSTS),
    "chest": (chest.paint_chest, chest.EXTENT, chest.LESION_HOSTS),
    "abdomen": (abdomen.paint_abdomen, abdomen.EXTENT, abdomen.LESION_HOSTS),
}


@dataclass(frozen=True)
class Phantom:
    """A synthetic scan.

    Args:
        hu: int16 `(X, Y, Z)` in HU.
        anatomy: uint8 `(X, Y, Z)`, TotalSegmentator ids and 118 for the rest of the body.
        lesion: uint8 `(X, Y, Z)`, 1 within lesions.
        spacing: voxel size in mm.
        affine: `(4, 4)` voxel to world (RAS, mm), the origin in the middle of the volume.
        region: region name.
    """

    hu: np.ndarray
    anatomy: np.ndarray
    lesion: np.ndarray
    spacing: tuple[float, float, float]
    affine: np.ndarray
    region: str


def make_phantom(
    region: str,
    shape: Sequence[int] = (128, 128, 96),
    spacing: Sequence[float] = (2.0, 2.0, 3.0),
    seed: int = 0,
    lesions: int = 0,
    contrast: bool = True,
) -> Phantom:
    """Make a phantom; the same arguments give the same bytes.

    The grid always covers the region's field of view, so every shape shows the same anatomy. The patient
    is life-size where shape times spacing is the region's `EXTENT`: 320 x 320 x 288 mm, head 256 x 256 x 288.

    Args:
        region: head_neck, chest or abdomen.
        shape: voxels `(X, Y, Z)`.
        spacing: voxel size in mm, which the affine states.
        seed: varies size, place, HU, vessels, bowel, outlines, texture and lesions.
        lesions: how many: nodules in the lungs, dark lesions in abdominal organs, bleeds in the brain.
        contrast: chest and abdomen in the portal venous phase, else without contrast agent, as the head
            always is.

    Raises:
        InputError: for a region without a phantom, or a shape or spacing that is no volume.
    """
    check_choice("phantom region", check_region(region), _REGIONS)
    if len(shape) != 3 or min(shape) < 8:
        raise InputError(
            f"Phantom shape {tuple(shape)} is too small: give three numbers of at least 8 voxels."
        )
    if len(spacing) != 3 or min(spacing) <= 0:
        raise InputError(
            f"Phantom spacing {tuple(spacing)} is not possible: give three positive numbers in mm."
        )
    if lesions < 0:
        raise InputError(f"A phantom cannot have {lesions} lesions: give 0 or more.")
    paint, extent, hosts = _REGIONS[region]
    rng, lesion_rng = np.random.default_rng([seed, 0]), np.random.default_rng([seed, 1])
    scale, shift = rng.uniform(0.96, 1.03, 3), rng.uniform(-4, 4, 3)
    canvas = Canvas(shape, extent, rng, scale, shift, contrast or region == "head_neck")
    paint(canvas, rng)
    lesion = paint_lesions(canvas, lesion_rng, hosts, lesions)
    affine = np.diag([*spacing, 1.0]).astype(float)
    affine[:3, 3] = [-(n - 1) / 2 * step for n, step in zip(shape, spacing, strict=True)]
    return Phantom(canvas.finish(), canvas.anatomy, lesion, tuple(map(float, spacing)), affine, region)
