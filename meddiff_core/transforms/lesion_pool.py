"""Lesions cut out of CTs, for putting into others: those that the lesion bundles have made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from meddiff_core.conditions.feather import feathered
from meddiff_core.errors import InputError
from meddiff_core.transforms.load import LoadCTd, LoadMasksd
from meddiff_core.transforms.scans import PathLike

_MASK = "_mask.nii.gz"
_AROUND_MM = 4.0


@dataclass(frozen=True)
class PooledLesion:
    """One lesion with its mask, in a box around it.

    Args:
        hu: float32 `(x, y, z)`.
        weight: how much of a voxel is lesion, float32 in [0, 1]; at least one half within the mask.
        spacing: voxel size in mm.
        host_hu: median HU of the tissue around it.
    """

    hu: np.ndarray
    weight: np.ndarray
    spacing: tuple[float, ...]
    host_hu: float

    def on_spacing(self, spacing: Sequence[float]) -> PooledLesion:
        """The lesion on voxels of another size, interpolated linearly."""
        factors = [own / other for own, other in zip(self.spacing, spacing, strict=True)]
        if np.allclose(factors, 1, atol=0.05):
            return self
        hu, weight = (
            ndimage.zoom(array, factors, order=1, mode="nearest") for array in (self.hu, self.weight)
        )
        return PooledLesion(hu, weight, tuple(spacing), self.host_hu)


def read_lesion_pool(
    pool: PathLike | Sequence[Mapping[str, PathLike]], feather: float = 1.5
) -> list[PooledLesion]:
    """Lesions of a folder, or of pairs of files.

    Args:
        pool: a folder in which `ct_lesion_inpainting` or `ct_lesion_generation` wrote results, each CT
            `<name>.nii.gz` beside its mask `<name>_mask.nii.gz`; or pairs `{"image": ..., "lesion": ...}`.
        feather: width of the soft edge within a mask in mm.

    Raises:
        InputError: no lesion is there, or a file cannot be read.
    """
    if isinstance(pool, str | Path):
        masks = sorted(Path(pool).expanduser().glob(f"*{_MASK}"))
        pairs = [{"image": str(path).removesuffix(_MASK) + ".nii.gz", "lesion": path} for path in masks]
    else:
        pairs = [dict(pair) for pair in pool]
    lesions = [lesion for pair in pairs for lesion in _lesions(pair, feather)]
    if not lesions:
        raise InputError(
            f"The pool {pool} holds no lesion: give a folder of results of ct_lesion_inpainting, CTs beside "
            "their masks."
        )
    return lesions


def _lesions(pair: Mapping[str, PathLike], feather: float) -> list[PooledLesion]:
    loaded = LoadMasksd("lesion")(LoadCTd("image")({name: str(path) for name, path in pair.items()}))
    hu, mask = loaded["image"].numpy()[0], loaded["lesion"].numpy()[0] > 0
    spacing = tuple(loaded["image"].pixdim.tolist())
    parts, _ = ndimage.label(mask)
    found = []
    margin = [int(np.ceil(_AROUND_MM / step)) for step in spacing]
    for number, box in enumerate(ndimage.find_objects(parts), start=1):
        box = tuple(slice(max(0, s.start - m), s.stop + m) for s, m in zip(box, margin, strict=True))
        lesion = parts[box] == number
        around = (ndimage.distance_transform_edt(~lesion, spacing) <= _AROUND_MM) & (parts[box] == 0)
        host = float(np.median(hu[box][around])) if around.any() else float("nan")
        inside = tuple(slice(max(0, s.start - 1), s.stop + 1) for s in ndimage.find_objects(lesion * 1)[0])
        weight = feathered(lesion, spacing, feather)
        found.append(PooledLesion(hu[box][inside].astype(np.float32), weight[inside], spacing, host))
    return found
