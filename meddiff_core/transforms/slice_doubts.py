"""What a reader of thin slices has to know about the thick ones: gaps, overlap, bone beyond the window."""

from __future__ import annotations

import logging

import torch
from monai.data import MetaTensor

from meddiff_core.conditions.regions import region_window

logger = logging.getLogger("meddiff")

# By how much the slabs that slices show may differ from their distance before a line says so.
_GAP_SHARE = 0.1
# Voxels above the window that get a line: a few may be noise.
_DENSE_SHARE = 1e-4
_OVERLAP = (
    "%s: the slices are %.4g mm thick and %.4g mm apart, they overlap. They are taken as means over their "
    "distance, so the thin ones are less sharp than real ones."
)
_GAPS = (
    "%s: the slices are %.4g mm thick and %.4g mm apart, they leave gaps. They are taken as means over their "
    "distance, so the thin ones are a guess in the gaps."
)


def tell_rings(thick: torch.Tensor, region: str) -> None:
    """One line where bone, metal or contrast medium lies above the region's window: only interpolated there.

    Args:
        thick: slices in HU.
        region: name of the region.
    """
    upper = region_window(region).upper
    share = float((thick > upper).float().mean())
    if share > _DENSE_SHARE:
        logger.warning(
            "%.2g %% of the voxels (bone, metal, contrast medium) lie above %g HU, the end of the %s window: "
            "their edges may ring in the thin slices. Read no bleeding from what lies beside bone.",
            *(100 * share, upper, region),
        )


def tell_gaps(thick: MetaTensor) -> None:
    """One line where the header's SliceThickness is not the distance of the slices along the last axis."""
    spacing = float(thick.pixdim[2])
    try:
        slab = float(thick.meta.get("SliceThickness") or spacing)
    except ValueError:  # DICOM headers hold all kinds of text
        return
    if abs(slab / spacing - 1) > _GAP_SHARE:
        name = thick.meta.get("filename_or_obj", "The scan")
        logger.warning(_OVERLAP if slab > spacing else _GAPS, name, slab, spacing)
