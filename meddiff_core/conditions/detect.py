"""Which body region a scan shows, and why: DICOM header, then anatomy labels, then HU statistics."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import nibabel as nib
import numpy as np
from scipy import ndimage

from meddiff_core.conditions.body import block_mean, body_mask
from meddiff_core.conditions.vocabulary import BODY, COARSE_OF, LABEL_REGIONS, NUM_LABELS, label_id

# Substrings of BodyPartExamined (DICOM PS3.16, annex L, and what scanners write).
_BODY_PARTS = {
    "head_neck": "HEAD|NECK|BRAIN|SKULL|FACE|SINUS|ORBIT|EYE|JAW|MANDIB|MAXILL|LARYN|PHARYN|THYROID|CSPINE",
    "chest": "CHEST|THORA|LUNG|HEART|CARDIAC|CORONARY|BREAST|MEDIASTIN|STERNUM|BRONCH|TSPINE",
    "abdomen": "ABD|PELVI|LIVER|KIDNEY|RENAL|COLON|PANCREA|SPLEEN|STOMACH|BLADDER|PROSTATE|RECT|LSPINE|HIP",
}
# BodyPartExamined as pydicom names it, as ITK readers and as MONAI's PydicomReader key it.
_HEADER_KEYS = ("BodyPartExamined", "0018|0015", "00180015")

# Thresholds between the regions, set on real CT of several data sets.
_GRID_MM = 3.0
_SMOOTH_MM = 3.0
_LUNG_HU = (-950.0, -600.0)
_LUNG_SHARE = 0.06
_BONE_HU = 250.0
_SKULL_SHARE = 0.2
_NECK_CM2 = 250.0

_ORGANS_SAY = "Most slices of the anatomy map hold more of this region's organs than of others."


def detect_region(
    hu: np.ndarray,
    affine: np.ndarray,
    anatomy: np.ndarray | None = None,
    header: Mapping | None = None,
) -> tuple[str, str]:
    """Region of a scan, from the first source that decides.

    Args:
        hu: CT `(X, Y, Z)` in HU, in any orientation.
        affine: `(4, 4)` voxel to world (RAS, mm).
        anatomy: labels of the vocabulary on the same grid; coarse classes do not decide.
        header: metadata with DICOM keys: a pydicom dataset or the reader's dictionary.

    Returns:
        Region name, and the reason as one sentence. `unknown` where there is no body.
    """
    region = _from_header(header)
    if region:
        return region, f"The DICOM header says so (BodyPartExamined = {_body_part(header)})."
    affine = np.asarray(affine, dtype=float)
    if anatomy is not None:
        region = _from_labels(_canonical(anatomy, affine))
        if region:
            return region, _ORGANS_SAY
    return _from_hu(_canonical(hu, affine), _canonical_spacing(affine))


def detect_region_of_labels(anatomy: np.ndarray, affine: np.ndarray) -> tuple[str, str]:
    """Region of an anatomy map without its scan: by the named organs, else by the coarse classes.

    Args:
        anatomy: labels of the vocabulary `(X, Y, Z)`, in any orientation.
        affine: `(4, 4)` voxel to world (RAS, mm).

    Returns:
        Region name, and the reason as one sentence. `unknown` where there is no body.
    """
    affine = np.asarray(affine, dtype=float)
    anatomy = _canonical(anatomy, affine).astype(np.uint8)
    region = _from_labels(anatomy)
    if region:
        return region, _ORGANS_SAY
    coarse, factors, grid_mm = COARSE_OF[anatomy], *_grid(_canonical_spacing(affine))
    body = block_mean(coarse > 0, factors) > 0.5
    lung, bone, gas = (
        block_mean(coarse == label_id(name), factors) > 0.5 for name in ("lung", "bone", "airway_gas")
    )
    return _from_masks(body, lung, bone, gas, grid_mm)


def _canonical(volume: np.ndarray, affine: np.ndarray) -> np.ndarray:
    return nib.apply_orientation(np.asarray(volume), nib.io_orientation(affine))


def _canonical_spacing(affine: np.ndarray) -> np.ndarray:
    """Voxel size in mm along the axes of a volume from `_canonical`."""
    return np.sqrt((affine[:3, :3] ** 2).sum(axis=0))[nib.io_orientation(affine)[:, 0].argsort()]


def _grid(spacing: Sequence[float]) -> tuple[list[int], list[float]]:
    """Voxels per block of the coarse grid along each axis, and the size of a block in mm."""
    factors = [int(max(1, _GRID_MM // step)) for step in spacing]
    return factors, [step * factor for step, factor in zip(spacing, factors, strict=True)]


def _body_part(header: Mapping | None) -> str:
    """Value of BodyPartExamined, upper case, letters only; empty where there is none."""
    for key in _HEADER_KEYS if header is not None else ():
        value = header.get(key, "")
        value = value.get("Value", [""])[0] if isinstance(value, Mapping) else value
        letters = "".join(filter(str.isalpha, str(getattr(value, "value", value)))).upper()
        if letters and letters != "NONE":
            return letters
    return ""


def _from_header(header: Mapping | None) -> str | None:
    part = _body_part(header)
    found = [region for region, words in _BODY_PARTS.items() if re.search(words, part)]
    return found[0] if len(found) == 1 else None  # several, as in CHESTABDPELVIS, decide nothing


def _from_labels(anatomy: np.ndarray) -> str | None:
    """Each axial slice votes for the region whose own organs fill most of it; only names 1-117 count."""
    votes = dict.fromkeys(_BODY_PARTS, 0)
    for k in range(anatomy.shape[2]):
        counts = np.bincount(anatomy[:, :, k].astype(np.int64).ravel(), minlength=NUM_LABELS)
        areas = dict.fromkeys(votes, 0)
        for label in np.flatnonzero(counts[:BODY]):
            if len(LABEL_REGIONS[int(label)]) == 1:
                areas[LABEL_REGIONS[int(label)][0]] += counts[label]
        best = max(areas, key=areas.get)
        votes[best] += areas[best] > 0
    best = max(votes, key=votes.get)
    return best if votes[best] else None


def _from_hu(hu: np.ndarray, spacing: Sequence[float]) -> tuple[str, str]:
    factors, grid_mm = _grid(spacing)
    hu = block_mean(hu, factors)
    body = body_mask(hu, grid_mm)
    # Means over this much tissue leave little even of low-dose noise.
    hu = ndimage.gaussian_filter(hu, [_SMOOTH_MM / step for step in grid_mm])
    lung = body & (hu > _LUNG_HU[0]) & (hu < _LUNG_HU[1])
    return _from_masks(body, lung, hu > _BONE_HU, hu < _LUNG_HU[1], grid_mm)


def _from_masks(
    body: np.ndarray, lung: np.ndarray, bone: np.ndarray, gas: np.ndarray, grid_mm: Sequence[float]
) -> tuple[str, str]:
    if not body.any():
        return "unknown", "There is no body to be seen."
    # The median slice: an abdomen often holds the lung bases, but only in its uppermost slices.
    lung_share = np.median(lung.sum(axis=(0, 1)) / np.maximum(1, body.sum(axis=(0, 1))))
    skull = max(_enclosed_by_bone(bone[:, :, k], body[:, :, k]) for k in range(body.shape[2]))
    area = np.median(body.sum(axis=(0, 1))) * grid_mm[0] * grid_mm[1] / 100.0
    # Three voxels deep: folds of skin and gaps at the border of a crop are no airway.
    deep = ndimage.binary_erosion(body, np.ones((3, 3, 1)), iterations=3)
    airway = np.mean((deep & gas).any(axis=(0, 1)))
    if skull > _SKULL_SHARE:
        return "head_neck", f"A ring of bone encloses {skull:.0%} of a slice, as the skull does."
    if area < _NECK_CM2 and airway > 0.5 and lung_share < _LUNG_SHARE:
        return (
            "head_neck",
            f"The cross-section is small ({area:.0f} cm2) and holds an airway, as a neck does.",
        )
    if lung_share > _LUNG_SHARE:
        return "chest", f"Lung fills {lung_share:.0%} of the body in the median slice."
    return (
        "abdomen",
        f"Lung fills only {lung_share:.0%} of the body in the median slice and there is no skull.",
    )


def _enclosed_by_bone(bone: np.ndarray, body: np.ndarray) -> float:
    """Share of one slice's body that lies within closed rings of bone."""
    pad = 4
    ring = ndimage.binary_closing(np.pad(bone & body, pad), iterations=2)[pad:-pad, pad:-pad]
    return (ndimage.binary_fill_holes(ring) & ~ring).sum() / max(1, body.sum())
