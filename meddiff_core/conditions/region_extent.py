"""How many mm of a scan show head and neck, chest and abdomen, from the signs of its slices."""

from __future__ import annotations

import logging
from typing import NamedTuple

import numpy as np

from meddiff_core.conditions.slice_signs import SliceSigns

# Chosen on scans of public data sets (ACRIN-FLT-Breast, OpenKBP, C4KC-KiTS, LIDC-IDRI, TCGA-LIHC and more).
# Lung fills 0.1 to 0.5 of a slice of the chest; gas in the bowel stays below 0.04.
_LUNG_SHARE = 0.06
# The skull fills 0.9 to 1.0 of the directions, the face 0.5 to 0.9, ribs and the pelvis 0.1 to 0.7.
_SKULL_RING = 0.8
_HEAD_CM2 = 380.0
_NECK_CM2 = 330.0
# Shoulders are more than twice as wide as deep, an abdomen with the arms beside it is not.
_SHOULDER_ASPECT = 2.0
# A crop that tissue fills to its corners has no outline, and a child's trunk is as small as a neck.
_CROP_FILL = 0.93
_TRUNK_CM2 = 350.0
_TRUNK_MM = 250.0
# An abdominal scan begins above the dome of the liver: so much of lung, which runs out further down.
_BASES_MM = 80.0
_BASES_END = 0.12
# Gas between two legs, here and there, is no airway: a neck alone shows it in more of the slices.
_NECK_SLICES = 0.25
# What makes sure: so much of the skull, of the lungs, of a trunk without lungs; so many times the others.
_SURE_SKULL_MM = 25.0
_SURE_LUNG_MM = 80.0
_SURE_TRUNK_MM = 80.0
_SURE_RATIO = 1.5


class Finding(NamedTuple):
    """A region, the reason as one sentence, and whether what was seen leaves no doubt."""

    region: str
    reason: str
    sure: bool


class _Parts(NamedTuple):
    """Which slices show what, bool `(Z,)`."""

    skull: np.ndarray
    neck: np.ndarray
    shoulders: np.ndarray
    lungs: np.ndarray
    bases: np.ndarray
    abdomen: np.ndarray
    trunk: np.ndarray
    lungs_in_outline: np.ndarray


def log_region(logger: logging.Logger, found: Finding) -> None:
    """One line: the region, why, and whether that is sure."""
    doubt = "" if found.sure else " This is not sure: if it is wrong, name the region by region."
    logger.info("Region: %s. %s%s", found.region, found.reason, doubt)


def region_of_slices(signs: SliceSigns) -> Finding:
    """The region that most of a scan shows; `unknown` where there is no body."""
    if not signs.area.any():
        return Finding("unknown", "There is no body to be seen.", False)
    parts = _parts(signs)
    mm = {name: mask.sum() * signs.step for name, mask in parts._asdict().items()}
    head_neck = mm["skull"] + mm["neck"]
    extent = {
        "head_neck": head_neck + 0.5 * mm["shoulders"] * (head_neck > 0),
        "chest": mm["lungs"] + mm["shoulders"] * (0.5 if head_neck else 1.0),
        "abdomen": mm["abdomen"] + mm["bases"],
    }
    region = max(extent, key=extent.get)
    sure, reason = {"head_neck": _head_neck, "chest": _chest, "abdomen": _abdomen}[region](mm)
    clear = extent[region] >= _SURE_RATIO * sorted(extent.values())[-2]
    reason += f" It fills {extent[region]:.0f} of {len(signs.area) * signs.step:.0f} mm."
    return Finding(region, reason, bool(sure and clear))


def _parts(signs: SliceSigns) -> _Parts:
    z = np.arange(len(signs.area))
    lung = signs.lung > _LUNG_SHARE
    outline = signs.area < _CROP_FILL * signs.width * signs.depth / 100.0
    skull = (signs.bone_ring >= _SKULL_RING) & (signs.area < _HEAD_CM2) & ~lung
    neck = signs.airway & (signs.area < _NECK_CM2) & outline & ~lung & ~skull
    neck &= skull.any() or neck.mean() > _NECK_SLICES
    if skull.any():  # the vertex, and slices between the skull and the neck
        neck |= (z > np.flatnonzero(skull | neck)[0]) & (signs.area < _HEAD_CM2) & ~lung & ~skull
    lungs = np.zeros_like(lung)
    first, last = _longest_run(lung)
    lungs[first:last] = True
    lungs &= ~skull & ~neck
    rest = ~lungs & ~skull & ~neck
    shoulders = (signs.width > _SHOULDER_ASPECT * signs.depth) & (signs.width > _TRUNK_MM)
    if lungs.any():
        shoulders |= (z >= last) & (signs.width > _TRUNK_MM)
    elif skull.any() or neck.any():
        shoulders |= z < np.flatnonzero(skull | neck)[-1]
    shoulders &= rest
    abdomen = rest & ~shoulders
    bases = np.zeros_like(lungs)
    runs_out = signs.lung[0] < min(_BASES_END, 0.5 * signs.lung.max())
    above_liver = runs_out and last == len(z) and (last - first) * signs.step <= _BASES_MM
    if above_liver and not (skull | neck | shoulders).any():
        lungs, bases = bases, lungs
    trunk = abdomen & outline & (signs.area > _TRUNK_CM2) & (signs.width > _TRUNK_MM)
    return _Parts(skull, neck, shoulders, lungs, bases, abdomen, trunk, lungs & outline)


def _head_neck(mm: dict[str, float]) -> tuple[bool, str]:
    if mm["skull"]:
        return mm["skull"] >= _SURE_SKULL_MM, f"A ring of bone as of a skull shows over {mm['skull']:.0f} mm."
    return False, "The cross-section is small and holds an airway, as a neck does."


def _chest(mm: dict[str, float]) -> tuple[bool, str]:
    if mm["lungs"]:
        # Not in a crop without air around it: a mattress of foam has the density of lung.
        return mm["lungs_in_outline"] >= _SURE_LUNG_MM, f"Lungs show over {mm['lungs']:.0f} mm."
    return False, "The body is wide and flat, as it is at the shoulders."


def _abdomen(mm: dict[str, float]) -> tuple[bool, str]:
    sure = mm["trunk"] >= _SURE_TRUNK_MM
    if mm["bases"]:
        return sure, f"Lungs show over {mm['bases']:.0f} mm at the top and run out, as above the liver."
    if mm["trunk"]:
        return sure, "A trunk shows, and no lungs, skull or neck."
    return False, "No lungs, skull, neck or whole trunk show."


def _longest_run(mask: np.ndarray) -> tuple[int, int]:
    """First index and end of the longest run of True; `(0, 0)` where there is none."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int), [0]])))
    runs = list(zip(edges[::2], edges[1::2], strict=True))
    return max(runs, key=lambda run: run[1] - run[0], default=(0, 0))
