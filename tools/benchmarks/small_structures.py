"""Small structures in thick slices: how much of their contrast and of their diameter thin slices get back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

import numpy as np
from benchmarks.degraded import Degraded
from benchmarks.scans import Scan
from benchmarks.slice_methods import prepare
from benchmarks.super_resolution import slices
from benchmarks.table import Table, number
from scipy.signal import peak_widths

from meddiff_core.phantoms.shapes import Ellipsoid, Shape, Tube

LUNG_HU, STRUCTURE_HU = -850.0, 50.0
NODULES, VESSELS = (3, 4, 5, 6, 8), (2, 3, 4)
"""Diameters in mm."""
_COPIES = 7  # of each nodule, each at another height, so that slabs cut it otherwise
_CELL = 20
_SHAPE = (_COPIES * _CELL, (len(NODULES) + len(VESSELS)) * _CELL, 70)
_MIDDLE = _SHAPE[2] // 2
_RISE = 10.0  # mm that a vessel lies below and above the middle at its ends
_REACH = 12  # mm above and below a structure that are looked at


@dataclass(frozen=True)
class Structure:
    """A nodule with its copies, or a vessel.

    Args:
        name: kind and diameter.
        shapes: in mm from the first voxel, which are voxels too.
        columns: where it is looked at, `(N, 3)`: x and y, and z of its middle.
    """

    name: str
    shapes: Sequence[Shape]
    columns: np.ndarray

    def profiles(self, hu: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Contrast to lung in HU and diameter across the slices in mm, both `(N,)`.

        The contrast is the highest, the diameter the full width at half of it.

        Args:
            hu: `(X, Y, Z)`, voxels of 1 mm.
        """
        found = []
        for x, y, z in self.columns:
            excess = hu[int(x), int(y), int(z) - _REACH : int(z) + _REACH + 1].astype(float) - LUNG_HU
            peak = int(excess.argmax())
            found.append((excess[peak], peak_widths(excess, [peak])[0][0]))
        return tuple(np.transpose(found))


def structures() -> list[Structure]:
    """Nodules of five sizes, at seven heights each, and vessels of three."""
    found = []
    heights = _MIDDLE + np.arange(_COPIES) - _COPIES // 2 + 0.5 * (np.arange(_COPIES) % 2)
    for row, diameter in enumerate(NODULES):
        y = row * _CELL + _CELL // 2
        columns = np.array([(copy * _CELL + _CELL // 2, y, z) for copy, z in enumerate(heights)])
        found.append(
            Structure(f"nodule {diameter} mm", [Ellipsoid(at, [diameter / 2] * 3) for at in columns], columns)
        )
    for row, diameter in enumerate(VESSELS, start=len(NODULES)):
        y = row * _CELL + _CELL // 2
        x = np.arange(_SHAPE[0])
        line = np.stack([x, np.full(len(x), y), _MIDDLE + np.linspace(-_RISE, _RISE, len(x))], axis=1)
        vessel = Tube(line[[0, -1]], [diameter / 2])
        found.append(Structure(f"vessel {diameter} mm", [vessel], line[_CELL:-_CELL]))
    return found


def phantom() -> Scan:
    """Lung with these structures, voxels of 1 mm, without noise."""
    grid = np.ix_(*(np.arange(n, dtype=np.float32) for n in _SHAPE))
    cover = np.zeros(_SHAPE, dtype=np.float32)
    for structure in structures():
        for shape in structure.shapes:
            cover = np.maximum(cover, np.clip(0.5 - shape.distance(*grid), 0, 1))
    hu = np.rint(LUNG_HU + cover * (STRUCTURE_HU - LUNG_HU))
    return Scan("small structures", hu, np.eye(4), "chest")


TABLE = Table(
    lambda rows: (
        "Super-resolution of small structures: a phantom of lung (-850 HU) with nodules and vessels nearly "
        "in the plane of the slices (50 HU), voxels of 1 mm, without noise, simulated thick slices. "
        "Contrast across the slices relative to that in the thin slices of the phantom; mean difference of "
        "the full width at half maximum across the slices from that in them, without sign."
    ),
    {
        "slices, mm": slices,
        "structure": itemgetter("structure"),
        "method": itemgetter("method"),
        "contrast, %": number("contrast", 0),
        "diameter error, mm": number("diameter_error", 2),
    },
)


def measure(case: Degraded, method: str, weights: Path | None = None) -> list[dict]:
    """Rows of one method: one of each structure.

    Args:
        case: the phantom with thick slices.
        method: see `prepare`.
        weights: trained part of ours; None for that of the bundle.
    """
    result = np.rint(prepare(method, case, weights)())
    rows = []
    for structure in structures():
        (contrast, diameter), real = structure.profiles(result), structure.profiles(case.scan.hu)
        rows.append(
            {
                **case.slices_mm,
                "structure": structure.name,
                "method": method,
                "contrast": round(float((contrast / real[0]).mean()) * 100, 1),
                "diameter_error": round(float(np.abs(diameter - real[1]).mean()), 3),
            }
        )
    return rows
