"""What denoising and super-resolution are compared on: a block of a scan, and what a worse one had given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from benchmarks.scans import Scan, central_block, volume_tensor
from monai.data import MetaTensor

from meddiff_core.errors import InputError
from meddiff_core.physics.low_dose import simulate_low_dose
from meddiff_core.physics.slab_layout import SlabLayout
from meddiff_core.transforms.low_dose import item_seed
from meddiff_core.transforms.simulated_slices import SimulateThickSlicesd
from meddiff_core.transforms.slices_last import SlicesLastd
from meddiff_core.transforms.thin_slices import layout_between


@dataclass(frozen=True, eq=False)
class Degraded:
    """A block of a scan with simulated noise or simulated thick slices.

    Args:
        scan: the block as it was measured.
        seen: what the methods get, `(X, Y, Z)` in HU.
        affine: of `seen`, `(4, 4)`, mm.
        kind: of noise, see `make_noisy`, or `thick` slices.
        level: standard deviation of the noise in HU, which the methods are told; thin slices that a
            thick one is the mean of.
        start: first voxel of the block in the whole scan.
    """

    scan: Scan
    seen: np.ndarray
    affine: np.ndarray
    kind: str
    level: float
    start: tuple[int, int, int]

    @property
    def tensor(self) -> MetaTensor:
        """What the methods get, as `(1, X, Y, Z)`."""
        return volume_tensor(self.seen, self.affine, self.scan.name)

    @property
    def slices_mm(self) -> dict[str, float]:
        """Thickness of thin and thick slices, and distance of the thick ones."""
        thin = self.scan.spacing[2]
        return {
            "thin_mm": round(thin, 3),
            "thick_mm": round(self.level * thin, 3),
            "distance_mm": round(float(self.tensor.pixdim[2]), 3),
        }

    @cached_property
    def layout(self) -> SlabLayout:
        """How thick slices lie on the grid of the thin ones."""
        return replace(layout_between(self.tensor, self.scan.tensor), width=self.level)


def make_noisy(scan: Scan, kind: str, noise_level: float, block: Sequence[int] | None, seed: int) -> Degraded:
    """Cut the central block and add noise, without clipping, which would bend it (0.2 to 0.45 dB).

    The noise is drawn on whole slices, so that rays of sinogram noise cross the whole body.

    Args:
        scan: clean scan; its name, `kind` and `seed` fix the noise.
        kind: of `simulate_low_dose`; `sinogram_25` leaves 25 % of the dose.
        noise_level: standard deviation in [-1, 1]; sinogram noise has that of its dose.
        block: voxels per axis, cut to the scan where that is smaller; None for the whole scan.
        seed: of the noise.
    """
    start, size = central_block(scan.hu, block)
    whole_slices = scan.cut((0, 0, start[2]), (*scan.hu.shape[:2], size[2]))
    clean = whole_slices.cut((*start[:2], 0), size)
    hu_window = scan.hu_window
    dose = _dose_fraction(kind) if kind.startswith("sinogram") else None
    level, name = (noise_level * hu_window.width / 2, kind) if dose is None else (dose, "sinogram")
    noise_seed = item_seed(seed, f"{scan.name}:{kind}")
    noisy = simulate_low_dose(whole_slices.hu, name, level, tuple(scan.spacing), noise_seed)
    noisy = noisy[tuple(slice(first, first + n) for first, n in zip(start[:2], size[:2], strict=True))]
    return Degraded(
        scan=clean,
        seen=noisy.astype(np.float32),
        affine=clean.affine,
        kind=kind,
        level=float((noisy - clean.hu).std()) if dose else level,
        start=start,
    )


def make_thick(
    scan: Scan, slab: tuple[float, float], block: Sequence[int] | None, axis: int | str = "auto"
) -> Degraded:
    """Cut the central block to whole slabs and take their means, rounded to HU as a scanner stores them.

    Args:
        scan: thin scan.
        slab: thin slices from one thick one to the next, and thin slices that a thick one is the mean of.
        block: voxels per axis, cut to the scan where that is smaller; None for the whole scan.
        axis: the axis across the slices, see `SlicesLastd`, which turns the block.
    """
    start, size = central_block(scan.hu, block)
    factor, width = slab
    turned = SlicesLastd("image", axis)({"image": scan.cut(start, size).tensor})
    pair = SimulateThickSlicesd("image", factor, width)(turned)
    thin, thick = pair["label"], pair["image"].round()
    return Degraded(
        scan=Scan(scan.name, thin[0].numpy(), thin.affine.numpy(), scan.region),
        seen=thick[0].numpy(),
        affine=thick.affine.numpy(),
        kind="thick",
        level=width,
        start=start,
    )


def _dose_fraction(kind: str) -> float:
    percent = kind.removeprefix("sinogram_")
    if not percent.isdigit():
        raise InputError(f"noise kind is {kind!r}: name the dose in percent, such as sinogram_25.")
    return int(percent) / 100
