"""What the denoising methods are compared on: a block of a scan, clean and with simulated noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from benchmarks.scans import Scan
from scipy import ndimage

from meddiff_core.conditions.regions import HUWindow, region_window
from meddiff_core.physics.low_dose import simulate_low_dose
from meddiff_core.transforms.low_dose import item_seed

# Values are clipped to 1.5 windows, not to 1: clipping bends the noise at the window's ends (0.2 to 0.45 dB).
CLIP = 1.5


@dataclass(frozen=True)
class Case:
    """One block with one kind of noise.

    Args:
        volume: name of the scan.
        region: region whose window counts.
        kind: `white`, `correlated` or `sinogram`.
        sigma_hu: standard deviation of the noise in HU, which the methods are told.
        clean: block `(X, Y, Z)` in HU.
        noisy: the same with noise, clipped to 1.5 windows.
        affine: of the block, `(4, 4)`.
        start: first voxel of the block in the scan.
    """

    volume: str
    region: str
    kind: str
    sigma_hu: float
    clean: np.ndarray
    noisy: np.ndarray
    affine: np.ndarray
    start: tuple[int, int, int]

    @property
    def window(self) -> HUWindow:
        """HU window of the region."""
        return region_window(self.region)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel size in mm."""
        return tuple(np.linalg.norm(self.affine[:3, :3], axis=0).tolist())


def make_case(
    scan: Scan, kind: str, noise_level: float, block: tuple[int, int, int] | None, seed: int
) -> Case:
    """Cut the central block and add noise.

    The noise is drawn on whole slices, so that rays of sinogram noise cross the whole body.

    Args:
        scan: clean scan; its name, `kind` and `seed` fix the noise.
        kind: `white`, `correlated` or `sinogram`.
        noise_level: standard deviation in [-1, 1]; for `sinogram` the fraction of the dose that is left.
        block: voxels per axis, cut to the scan where that is smaller; None for the whole scan.
        seed: of the noise.
    """
    volume, hu, affine, region = scan
    window = region_window(region)
    start, size = central_block(hu, block or hu.shape)
    in_plane = tuple(slice(a, a + n) for a, n in zip(start[:2], size[:2], strict=True))
    slab = hu[..., start[2] : start[2] + size[2]]
    level = noise_level if kind == "sinogram" else noise_level * window.width / 2
    spacing = tuple(np.linalg.norm(affine[:3, :3], axis=0))
    noisy = simulate_low_dose(slab, kind, level, spacing, item_seed(seed, f"{volume}:{kind}"))[in_plane]
    clean = slab[in_plane]
    block_affine = affine.copy()
    block_affine[:3, 3] += affine[:3, :3] @ start
    return Case(
        volume=volume,
        region=region,
        kind=kind,
        sigma_hu=float((noisy - clean).std()) if kind == "sinogram" else level,
        clean=clean,
        noisy=np.clip(noisy, window.to_hu(-CLIP), window.to_hu(CLIP)).astype(np.float32),
        affine=block_affine,
        start=start,
    )


def central_block(hu: np.ndarray, block: tuple[int, int, int]) -> tuple[tuple, tuple]:
    """Start and size of the block around the body's centre of mass (everything above -300 HU)."""
    size = tuple(min(wanted, present) for wanted, present in zip(block, hu.shape, strict=True))
    centre = ndimage.center_of_mass(hu > -300) if (hu > -300).any() else np.divide(hu.shape, 2)
    start = (
        int(np.clip(round(c - n / 2), 0, total - n))
        for c, n, total in zip(centre, size, hu.shape, strict=True)
    )
    return tuple(start), size
