"""Orientation for super-resolution: the thick axis last, whatever plane the scan was taken in."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping

import nibabel as nib
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import InvertibleTransform, MapTransform, Orientation

from meddiff_core.errors import check_choice

logger = logging.getLogger("meddiff")

# The axes of each plane in RAS, with the one across the slices last.
_PLANES = {"axial": "RAS", "coronal": "RSA", "sagittal": "ASR"}
# Voxels of 1 x 1 x 0.625 mm lie in axial slices, too: across thick slices they are so much thicker.
_CLEARLY = 1.2
_ACROSS = {codes[2]: plane for plane, codes in _PLANES.items()}


class SlicesLastd(MapTransform, InvertibleTransform):
    """Orients volumes of one grid to RAS with the axis across thick slices last.

    Invertible: `Invertd` brings a result back to the scan's own order of axes.

    Args:
        keys: MetaTensors `(C, X, Y, Z)` of one grid; absent ones are left out.
        axis: the axis across the slices, as the scan is stored: 0, 1 or 2; `auto` takes the one of the
            thickest voxels, and the patient's length where none is clearly thicker.

    Raises:
        InputError: there is no such axis.
    """

    def __init__(self, keys: KeysCollection = "image", axis: int | str = "auto") -> None:
        super().__init__(keys, allow_missing_keys=True)
        self.axis = check_choice("axis", str(axis), ("auto", "0", "1", "2"))
        self._planes = {plane: Orientation(codes, labels=None) for plane, codes in _PLANES.items()}

    def __call__(self, data: Mapping[Hashable, MetaTensor]) -> dict[Hashable, MetaTensor]:
        d = dict(data)
        first = self.first_key(d)
        if first == ():  # MONAI's word for none
            return d
        plane = slice_plane(d[first], None if self.axis == "auto" else int(self.axis))
        if plane != "axial":
            logger.info("The slices are %s: the thin ones are, too.", plane)
        across_header = plane == slice_plane(d[first], 2)
        for key in self.key_iterator(d):
            d[key] = self._planes[plane](d[key])
            if not across_header:  # the header's SliceThickness is that of another axis
                d[key].meta.pop("SliceThickness", None)
        return d

    def inverse(self, data: Mapping[Hashable, MetaTensor]) -> dict[Hashable, MetaTensor]:
        d = dict(data)
        for key in self.key_iterator(d):
            used = d[key].applied_operations[-1]["id"]
            (orientation,) = (o for o in self._planes.values() if id(o) == used)
            d[key] = orientation.inverse(d[key])
        return d


def slice_plane(volume: MetaTensor, axis: int | None = None) -> str:
    """`axial`, `coronal` or `sagittal`: the plane of the slices across `axis`; None finds it."""
    towards = nib.aff2axcodes(volume.affine.numpy(), (("R", "R"), ("A", "A"), ("S", "S")))
    spacing = [float(step) for step in volume.pixdim]
    if axis is None:
        *others, thickest = sorted(spacing)
        axis = spacing.index(thickest) if thickest > _CLEARLY * max(others) else towards.index("S")
    return _ACROSS[towards[axis]]
