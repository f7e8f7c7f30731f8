"""Read an anatomy map: one label map, or one mask per organ in a folder."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from monai.data import MetaTensor

from meddiff_core.conditions.vocabulary import BODY, find_label, label_name
from meddiff_core.errors import InputError
from meddiff_core.transforms.dicom_objects import refuse_dicom_object
from meddiff_core.transforms.grids import on_grid_of
from meddiff_core.transforms.label_names import ids_by_names, label_names
from meddiff_core.transforms.label_values import MaskValue, check_labels, mask_of, rounded_values
from meddiff_core.transforms.read_volume import read_volume
from meddiff_core.transforms.scans import organ_masks, scan_stem, volume_suffix

logger = logging.getLogger("meddiff")


def read_labels(path: Path, name: str) -> MetaTensor:
    """An anatomy map in ids of the vocabulary, float32 `(1, X, Y, Z)`, on its own grid.

    Args:
        path: a label map, whose values count by their names where its header has these; the mask of one
            organ, named by the file; or a folder of such masks, see `join_masks`.
        name: begins the sentence of a refusal.

    Raises:
        InputError: missing, damaged, no map, or values that are no ids.
    """
    if path.is_dir() and (masks := organ_masks(path)):
        labels = join_masks(masks, name)
        labels.meta["filename_or_obj"] = str(path)
        return labels
    labels, names = _read(path, name)
    if not names and np.array_equal(rounded_values(labels, name)[1], (0, 1)):
        label = find_label(scan_stem(path))
        if not label:
            raise InputError(
                f"{name} is a mask of 0 and 1, which says no organ: give one map of all organs "
                "(TotalSegmentator with --ml), or a folder of masks named like its classes."
            )
        return join_masks({path: label}, name)
    return check_labels(ids_by_names(labels, names, name), name)


def read_mask(path: Path, name: str, option: str | None = None, value: MaskValue = None) -> MetaTensor:
    """A mask, float32 `(1, X, Y, Z)`, 1 within, on its own grid; see `mask_of`."""
    volume, names = _read(path, name)
    return mask_of(volume, name, option, value, names)


def _read(path: Path, name: str) -> tuple[MetaTensor, dict[int, str]]:
    """A volume, and what its header calls its values."""
    if not volume_suffix(path):
        refuse_dicom_object(path, name)
    names = label_names(path) if path.is_file() else {}
    return read_volume(path), names


def join_masks(masks: Mapping[Path, int], name: str) -> MetaTensor:
    """One mask per organ as a label map.

    Where masks overlap, the smaller one counts, and any organ before the body and the coarse classes.

    Args:
        masks: the label of each file.
        name: begins the sentence of a refusal.

    Raises:
        InputError: a file is no mask, or the masks lie on several grids.
    """
    first: MetaTensor | None = None
    inside: list[tuple[int, np.ndarray]] = []
    for path, label in masks.items():
        mask = read_mask(path, f"The mask {path} of {label_name(label)}")
        mask = mask if first is None else on_grid_of(first, mask, f"{name}: {path.name}", "the first mask")
        first = mask if first is None else first
        inside.append((label, np.flatnonzero(np.asarray(mask)[0])))
    assert first is not None
    labels = np.zeros(first.shape[1:], dtype=np.float32)
    flat, shared = labels.reshape(-1), 0
    for label, voxels in sorted(inside, key=lambda organ: (organ[0] < BODY, -organ[1].size)):
        before = flat[voxels]
        shared += int(((before > 0) & (before < BODY) & (before != label)).sum())
        flat[voxels] = label
    if shared:
        logger.warning("%s: %d voxels lie in several masks: the smaller organ counts there.", name, shared)
    logger.info("%s: masks of %d organs are joined.", name, sum(voxels.size > 0 for _, voxels in inside))
    return MetaTensor(torch.from_numpy(labels)[None], affine=first.affine, meta=first.meta)
