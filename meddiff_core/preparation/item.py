"""Prepare one CT: everything that is written for it, and the record that says that it is complete."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from monai.data import MetaTensor
from nibabel.affines import voxel_sizes

from meddiff_core.conditions.detect import detect_region
from meddiff_core.conditions.organ_volumes import warn_of_volumes
from meddiff_core.conditions.split import split_regions
from meddiff_core.conditions.voxel_size import ANATOMY_TIMESTEP
from meddiff_core.errors import InputError
from meddiff_core.files import write_json
from meddiff_core.preparation.anatomy import fill_anatomy, read_anatomy
from meddiff_core.preparation.sources import Source
from meddiff_core.preparation.volume import read_ct, resample, write_volume
from meddiff_core.transforms.datalist import FILE_KEYS
from meddiff_core.transforms.grids import on_grid_of
from meddiff_core.transforms.label_values import MaskValue
from meddiff_core.transforms.read_labels import read_mask

logger = logging.getLogger("meddiff")

# Why an item has its region: in the record and in the printed table, not in the data list.
REASON_KEY = "region_reason"
UNSURE = "NOT SURE: "
# A shorter stretch of a region is the border of its neighbour, as the lung bases on an abdominal CT.
_MIN_REGION_MM = 100.0
# Head to thigh is longer, chest to pelvis is not: such a scan has no single region.
_WHOLE_BODY_MM = 800.0


@dataclass(frozen=True)
class Settings:
    """What is the same for every item of a run.

    Args:
        output_dir: folder of the data list.
        spacing: isotropic voxel size in mm, 1.0 in the paper; `None` keeps each grid.
        segment: run TotalSegmentator where no map of it is given.
        lesion_value: see `Layout.lesion_value`.
        anatomy_only: the volumes have no scanner's texture: training takes them at high noise only.
    """

    output_dir: Path
    spacing: float | None = 1.0
    segment: bool = False
    lesion_value: MaskValue = None
    anatomy_only: bool = False


def finished_items(source: Source, settings: Settings) -> list[dict] | None:
    """Items of a source that an earlier run completed from the same files and settings; `None` otherwise."""
    try:
        record = json.loads(_record_path(source, settings).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if record.get("made_from") != _made_from(source, settings):
        return None
    files = (item[key] for item in record["items"] for key in item if key in FILE_KEYS)
    return record["items"] if all((settings.output_dir / file).is_file() for file in files) else None


def prepare(source: Source, settings: Settings) -> list[dict]:
    """Write the region volumes of one CT with their anatomy and lesion maps, and its record.

    Returns:
        One data list item per region volume with the reason for its region, without the patient; its paths
        are relative to the data list.

    Raises:
        InputError: the CT or a mask cannot be used; there is no record then.
    """
    hu = read_ct(source.image)
    labels = read_anatomy(source.labels, hu)
    complete = labels is not None and source.labels.label_map is None
    if complete:  # a label map may name a part of an organ, such as the brainstem, by the organ
        warn_of_volumes(labels, hu.affine.numpy(), f"The labels of {source.name}")
    lesion = _read_lesion(source, settings, hu)
    labels, lesion = (_resampled_mask(mask, hu, settings.spacing) for mask in (labels, lesion))
    hu = resample(hu, settings.spacing, "bilinear")
    arrays = {"image": np.rint(hu[0].numpy()).clip(max=np.iinfo(np.int16).max).astype(np.int16)}
    affine = hu.affine.numpy()
    arrays["anatomy"] = fill_anatomy(arrays["image"], affine, labels, complete, settings.segment)
    if lesion is not None:
        arrays["lesion"] = lesion
    regions = _regions(source.region, arrays, affine, complete or settings.segment, hu.meta)
    spacing = [round(float(step), 3) for step in voxel_sizes(affine)]
    items = []
    for (region, reason), part in regions.items():
        name = source.name if len(regions) == 1 else f"{source.name}_{region}"
        files = _write_part(settings.output_dir, name, arrays, affine, part)
        items.append({**files, "region": region, "spacing": spacing, REASON_KEY: reason})
        if settings.anatomy_only:
            items[-1]["min_timestep"] = ANATOMY_TIMESTEP
    record = {"items": items, "made_from": _made_from(source, settings)}
    write_json(_record_path(source, settings), record)
    return items


def _read_lesion(source: Source, settings: Settings, hu: MetaTensor) -> np.ndarray | None:
    """uint8 `(X, Y, Z)`, 1 where any lesion mask says so; `None` without any."""
    if not source.lesions.files:
        return None
    lesion = np.zeros(hu.shape[1:], dtype=np.uint8)
    for path in source.lesions.files:
        name = f"The lesion mask {path.name}"
        mask = read_mask(path, name, "lesion_value", settings.lesion_value)
        lesion[on_grid_of(hu, mask, name, "its CT").numpy()[0] > 0] = 1
    if not lesion.any():
        logger.warning("%s has no lesion in its masks: it is listed without one.", source.name)
        return None
    return lesion


def _resampled_mask(mask: np.ndarray | None, hu: MetaTensor, spacing: float | None) -> np.ndarray | None:
    if mask is None:
        return None
    return resample(MetaTensor(mask[None], affine=hu.affine), spacing, "nearest")[0].numpy().astype(np.uint8)


def _regions(
    region: str, arrays: dict[str, np.ndarray], affine: np.ndarray, named: bool, header: Mapping
) -> dict[tuple[str, str], slice]:
    """Region name, why it is that one, and slices along z of every volume that a CT becomes."""
    whole = slice(0, arrays["image"].shape[2])
    if region != "auto":
        return {(region, "given"): whole}
    step = np.linalg.norm(affine[:3, 2])
    parts = split_regions(arrays["anatomy"]) if named else {}
    parts = {name: part for name, part in parts.items() if (part.stop - part.start) * step >= _MIN_REGION_MM}
    if not parts and whole.stop * step > _WHOLE_BODY_MM:
        raise InputError(
            f"It is {whole.stop * step:.0f} mm long, and without labels it cannot be split into regions:"
            " install TotalSegmentator, or give --label_dir or --region."
        )
    if parts:
        return {(name, "split by its organs"): part for name, part in parts.items()}
    found = detect_region(arrays["image"], affine, arrays["anatomy"], header)
    return {(found.region, found.reason if found.sure else UNSURE + found.reason): whole}


def _write_part(
    output_dir: Path, name: str, arrays: dict[str, np.ndarray], affine: np.ndarray, part: slice
) -> dict[str, str]:
    """Write the slices `part` of every array; their first slice lies `part.start` steps along z.

    A region without any of the CT's lesions has no lesion map.
    """
    shifted = affine.copy()
    shifted[:3, 3] += affine[:3, 2] * part.start
    parts = {key: array[:, :, part] for key, array in arrays.items()}
    parts = {key: array for key, array in parts.items() if key != "lesion" or array.any()}
    files = {key: f"{key}/{name}.nii.gz" for key in parts}
    for key, array in parts.items():
        write_volume(output_dir / files[key], array, shifted)
    return files


def _record_path(source: Source, settings: Settings) -> Path:
    return settings.output_dir / "records" / f"{source.name}.json"


def _made_from(source: Source, settings: Settings) -> dict:
    """What the outputs depend on; when it changes, the item is made again."""
    files = (source.image, *source.labels.files, *source.lesions.files)
    chosen = {key: value for key, value in asdict(settings).items() if key != "output_dir"}
    made_from = {
        **chosen,
        "region": source.region,
        "label_map": source.labels.label_map,
        "files": [[str(file), file.stat().st_mtime] for file in files],
    }
    return json.loads(json.dumps(made_from))  # as it reads back from the record
