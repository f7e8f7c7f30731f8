"""Which body region a scan shows, why, and how sure that is: from its anatomy labels, HU and DICOM header."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import nibabel as nib
import numpy as np
from scipy import ndimage

from meddiff_core.conditions.body import block_mean, body_mask
from meddiff_core.conditions.region_extent import Finding, region_of_slices
from meddiff_core.conditions.slice_signs import SliceSigns, slice_signs
from meddiff_core.conditions.vocabulary import BODY, COARSE_OF, LABEL_REGIONS, NUM_LABELS, label_id

# Substrings of BodyPartExamined (DICOM PS3.16, annex L, and what scanners write).
_BODY_PARTS = {
    "head_neck": "HEAD|NECK|BRAIN|SKULL|FACE|SINUS|ORBIT|EYE|JAW|MANDIB|MAXILL|LARYN|PHARYN|THYROID|CSPINE",
    "chest": "CHEST|THORA|LUNG|HEART|CARDIAC|CORONARY|BREAST|MEDIASTIN|STERNUM|BRONCH|TSPINE",
    "abdomen": "ABD|PELVI|LIVER|KIDNEY|RENAL|COLON|PANCREA|SPLEEN|STOMACH|BLADDER|PROSTATE|RECT|LSPINE|HIP",
}
# BodyPartExamined as pydicom names it, as ITK readers and as MONAI's PydicomReader key it.
_HEADER_KEYS = ("BodyPartExamined", "0018|0015", "00180015")

# Coarse voxels: fast, and noise averages out; an airway and the bone of a skull are still seen.
_GRID_MM = (4.0, 4.0, 5.0)
_SMOOTH_MM = 3.0
_LUNG_HU = (-950.0, -600.0)
_GAS_HU = -300.0
_BONE_HU = 250.0

_ORGANS_SAY = "Most slices of the anatomy map hold more of this region's organs than of others."


def detect_region(
    hu: np.ndarray,
    affine: np.ndarray,
    anatomy: np.ndarray | None = None,
    header: Mapping | None = None,
) -> Finding:
    """Region of a scan: named organs decide, then what the HU surely show, then the header.

    Args:
        hu: CT `(X, Y, Z)` in HU, in any orientation.
        affine: `(4, 4)` voxel to world (RAS, mm).
        anatomy: labels of the vocabulary on the same grid; coarse classes do not decide.
        header: metadata with DICOM keys: a pydicom dataset or the reader's dictionary.

    Returns:
        Region name, the reason in sentences, and whether it is sure: it is not where two sources disagree.
        `unknown` where there is no body.
    """
    affine = np.asarray(affine, dtype=float)
    seen = _from_hu(_canonical(hu, affine), _canonical_spacing(affine))
    organs = None if anatomy is None else _from_labels(_canonical(anatomy, affine))
    if organs:
        return _weighed(Finding(organs, _ORGANS_SAY, True), seen)
    named = _from_header(header)
    if named and seen.region != "unknown" and not (seen.sure and seen.region != named):
        reason = f"The DICOM header says so (BodyPartExamined = {_body_part(header)})."
        return Finding(named, reason, True)
    if named and seen.sure:
        reason = f"{seen.reason} The DICOM header says {_body_part(header)}."
        return Finding(seen.region, reason, False)
    return seen


def _weighed(finding: Finding, seen: Finding) -> Finding:
    """A finding from the anatomy map, less sure where the HU surely show another region."""
    if not seen.sure or seen.region == finding.region:
        return finding
    return Finding(
        finding.region, f"{finding.reason} But the HU look like {seen.region}: {seen.reason}", False
    )


def detect_region_of_labels(anatomy: np.ndarray, affine: np.ndarray) -> Finding:
    """Region of an anatomy map without its scan: by the named organs, else by the coarse classes.

    Args:
        anatomy: labels of the vocabulary `(X, Y, Z)`, in any orientation.
        affine: `(4, 4)` voxel to world (RAS, mm).

    Returns:
        Region name, the reason in sentences, and whether it is sure. `unknown` where there is no body.
    """
    affine = np.asarray(affine, dtype=float)
    anatomy = _canonical(anatomy, affine).astype(np.uint8)
    region = _from_labels(anatomy)
    if region:
        return Finding(region, _ORGANS_SAY, True)
    coarse, factors, grid_mm = COARSE_OF[anatomy], *_grid(_canonical_spacing(affine))
    body = block_mean(coarse > 0, factors) > 0.5
    lung, bone, gas = (
        block_mean(coarse == label_id(name), factors) > 0.5 for name in ("lung", "bone", "airway_gas")
    )
    return region_of_slices(slice_signs(body, lung, bone, gas, grid_mm))


def _canonical(volume: np.ndarray, affine: np.ndarray) -> np.ndarray:
    return nib.apply_orientation(np.asarray(volume), nib.io_orientation(affine))


def _canonical_spacing(affine: np.ndarray) -> np.ndarray:
    """Voxel size in mm along the axes of a volume from `_canonical`."""
    return np.sqrt((affine[:3, :3] ** 2).sum(axis=0))[nib.io_orientation(affine)[:, 0].argsort()]


def _grid(spacing: Sequence[float]) -> tuple[list[int], list[float]]:
    """Voxels per block of the coarse grid along each axis, and the size of a block in mm."""
    factors = [int(max(1, grid // step)) for grid, step in zip(_GRID_MM, spacing, strict=True)]
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


def _from_hu(hu: np.ndarray, spacing: Sequence[float]) -> Finding:
    return region_of_slices(signs_of_scan(hu, spacing))


def signs_of_scan(hu: np.ndarray, spacing: Sequence[float]) -> SliceSigns:
    """Signs of the slices of a CT, about 5 mm apart.

    Args:
        hu: CT `(X, Y, Z)` in HU, axes towards right, front and head.
        spacing: voxel size in mm.
    """
    # Two samples a coarse voxel and axis are enough: a mean over all of them takes seconds.
    strides = [max(1, factor // 2) for factor in _grid(spacing)[0]]
    hu = hu[tuple(slice(None, None, stride) for stride in strides)]
    factors, grid_mm = _grid([step * stride for step, stride in zip(spacing, strides, strict=True)])
    hu = block_mean(hu, factors)
    body = body_mask(hu, grid_mm)
    # Means over this much tissue leave little even of low-dose noise.
    hu = ndimage.gaussian_filter(hu, [_SMOOTH_MM / step for step in grid_mm])
    lung = body & (hu > _LUNG_HU[0]) & (hu < _LUNG_HU[1])
    return slice_signs(body, lung, hu > _BONE_HU, hu < _GAS_HU, grid_mm)
