"""The anatomy map of a CT: from its labels, from TotalSegmentator, or from thresholds."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from monai.data import MetaTensor
from nibabel.affines import voxel_sizes

from meddiff_core.conditions.body import body_mask
from meddiff_core.conditions.coarse import coarse_labels
from meddiff_core.conditions.vocabulary import BODY, find_label, label_id
from meddiff_core.errors import InputError
from meddiff_core.preparation.layout import Masks
from meddiff_core.preparation.volume import write_volume
from meddiff_core.transforms.grids import on_grid_of
from meddiff_core.transforms.label_values import whole_values
from meddiff_core.transforms.read_labels import join_masks, read_labels
from meddiff_core.transforms.read_volume import read_volume
from meddiff_core.transforms.scans import scan_stem

TOTALSEGMENTATOR = "TotalSegmentator"


def has_totalsegmentator() -> bool:
    """Whether the `TotalSegmentator` command is installed."""
    return shutil.which(TOTALSEGMENTATOR) is not None


def read_anatomy(masks: Masks, hu: MetaTensor) -> np.ndarray | None:
    """Vocabulary ids `(X, Y, Z)` from a label map or from one mask per structure; `None` without any.

    Args:
        masks: the files; what their `label_map` does not name becomes 0.
        hu: the CT, from `read_ct`.
    """
    if not masks.files:
        return None
    first = masks.files[0]
    if masks.separate:
        ids = {path: _structure_id(scan_stem(path), masks.label_map) for path in masks.files}
        ids = {path: structure for path, structure in ids.items() if structure}
        if not ids:
            raise InputError(f"No mask in {first.parent} is named like the vocabulary, such as {first.name}.")
        labels = join_masks(ids, f"The masks in {first.parent}")
    elif masks.label_map is None:
        labels = read_labels(first, f"The label map {first.name}")
    else:
        labels = read_volume(first)
    name = f"The label map {first.name}"
    values, _ = whole_values(on_grid_of(hu, labels, name, "its CT"), name)
    return values.astype(np.uint8) if masks.separate or masks.label_map is None else _named(values, masks)


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
    spacing = voxel_sizes(affine)
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
        scan = MetaTensor(hu[None], affine=affine)
        return read_anatomy(Masks((labels,)), scan)


def _named(values: np.ndarray, masks: Masks) -> np.ndarray:
    labels = np.zeros(values.shape, dtype=np.uint8)
    for value, label in (masks.label_map or {}).items():
        labels[values == int(value)] = label_id(label)
    return labels


def _structure_id(name: str, label_map: Mapping[str, str] | None) -> int:
    """Vocabulary id of a file that holds one structure; 0 where the vocabulary has no name for it."""
    if label_map is None:
        return find_label(name) or 0
    return next((label_id(label) for end, label in label_map.items() if name.endswith(end)), 0)
