"""The anatomy map of a CT: from its labels, from TotalSegmentator, or from thresholds."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from monai.data import MetaTensor

from meddiff_core.conditions.body import body_mask
from meddiff_core.conditions.coarse import coarse_labels
from meddiff_core.conditions.vocabulary import BODY, LABELS, NUM_LABELS, label_id
from meddiff_core.errors import InputError
from meddiff_core.preparation.layout import Masks
from meddiff_core.preparation.volume import read_mask, write_volume
from meddiff_core.transforms.scans import scan_stem

TOTALSEGMENTATOR = "TotalSegmentator"


def has_totalsegmentator() -> bool:
    """Whether the `TotalSegmentator` command is installed."""
    return shutil.which(TOTALSEGMENTATOR) is not None


def read_labels(masks: Masks, hu: MetaTensor) -> np.ndarray | None:
    """Vocabulary ids `(X, Y, Z)` from a label map or from one mask per structure; `None` without any.

    Args:
        masks: the files; what their `label_map` does not name becomes 0.
        hu: the CT, from `read_ct`.
    """
    if not masks.files:
        return None
    if not masks.separate:
        return _named_values(read_mask(masks.files[0], hu), masks.label_map, masks.files[0].name)
    ids = {path: _structure_id(scan_stem(path), masks.label_map) for path in masks.files}
    labels = np.zeros(hu.shape[1:], dtype=np.uint8)
    for path, structure in ids.items():
        if structure:
            labels[read_mask(path, hu) > 0] = structure
    return labels


def fill_anatomy(
    hu: np.ndarray, affine: np.ndarray, labels: np.ndarray | None, complete: bool, segment: bool
) -> np.ndarray:
    """uint8 anatomy map `(X, Y, Z)`: what the labels name stays, the rest of the body is filled in.

    Where the labels are TotalSegmentator's, the rest is `body`, as in the paper. Where they name a few organs
    only, or are missing, TotalSegmentator names the rest, or else thresholds do.

    Args:
        hu: CT in HU, `(X, Y, Z)` in RAS.
        affine: 4x4, voxel to mm.
        labels: vocabulary ids, or `None`.
        complete: the labels are TotalSegmentator's.
        segment: run TotalSegmentator where they are not.
    """
    named = np.zeros(hu.shape, dtype=np.uint8) if labels is None else labels
    if segment and not complete:
        named = np.where(named > 0, named, _run_totalsegmentator(hu, affine))
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if complete or segment:
        rest = np.where(body_mask(hu, spacing), np.uint8(BODY), np.uint8(0))
    else:
        rest = coarse_labels(hu, spacing)
    return np.where(named > 0, named, rest)


def _run_totalsegmentator(hu: np.ndarray, affine: np.ndarray) -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        image, labels = Path(folder, "ct.nii.gz"), Path(folder, "labels.nii.gz")
        write_volume(image, hu, affine)
        command = [TOTALSEGMENTATOR, "-i", str(image), "-o", str(labels), "--ml"]
        finished = subprocess.run(command, capture_output=True, text=True)
        if finished.returncode != 0 or not labels.is_file():
            last = (finished.stderr.strip().splitlines() or ["no message"])[-1]
            raise InputError(f"{TOTALSEGMENTATOR} failed ({last}): run it by hand and use --label_dir.")
        return _named_values(read_mask(labels, MetaTensor(hu[None], affine=affine)), None, labels.name)


def _named_values(values: np.ndarray, label_map: Mapping[str, str] | None, name: str) -> np.ndarray:
    values = np.rint(values)
    if label_map is None:
        if values.min() < 0 or values.max() >= NUM_LABELS:
            raise InputError(
                f"{name} holds values from {values.min():g} to {values.max():g}: give TotalSegmentator v2"
                " labels, or name its values with --label_map."
            )
        return values.astype(np.uint8)
    labels = np.zeros(values.shape, dtype=np.uint8)
    for value, label in label_map.items():
        labels[values == int(value)] = label_id(label)
    return labels


def _structure_id(name: str, label_map: Mapping[str, str] | None) -> int:
    """Vocabulary id of a file that holds one structure; 0 where the vocabulary has no name for it."""
    if label_map is None:
        return label_id(name) if name in LABELS.values() else 0
    return next((label_id(label) for end, label in label_map.items() if name.endswith(end)), 0)
