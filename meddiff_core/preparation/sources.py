"""The CTs in a folder, each with its masks and its patient, before any voxel is read."""

from __future__ import annotations

import fnmatch
import hashlib
import logging
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pydicom

from meddiff_core.conditions.regions import check_region
from meddiff_core.errors import InputError, listed
from meddiff_core.preparation.layout import Layout, Masks, Match
from meddiff_core.transforms.dicom_files import ct_header, holds_dicom
from meddiff_core.transforms.dicom_header import OWN_RESULT
from meddiff_core.transforms.scans import scan_stem, volume_suffix, without_results

logger = logging.getLogger("meddiff")

_DICOM_SUFFIXES = (".dcm", ".ima")


@dataclass(frozen=True)
class Source:
    """One CT to prepare.

    Args:
        name: unique stem of everything that is written for it.
        image: volume file, or folder of a DICOM series.
        labels: its label map, or one mask per structure.
        lesions: its lesion masks.
        patient: what the split goes by.
        region: region name or `auto`.
    """

    name: str
    image: Path
    labels: Masks
    lesions: Masks
    patient: str
    region: str


@dataclass(frozen=True)
class Rules:
    """What the user says about the items of a folder, by their names.

    Args:
        regions: `(name pattern, region)`, see `parse_regions`; the first that fits wins over the layout's.
        patient_pattern: regular expression; its group 1, found in the name, is the patient. Where it is not
            found the patient comes from the layout, the DICOM header (hashed), or is the item itself.
    """

    regions: tuple[tuple[str, str], ...] = ()
    patient_pattern: str | None = None

    def __post_init__(self):
        try:
            groups = re.compile(self.patient_pattern or "()").groups
        except re.error as error:
            raise InputError(f"{self.patient_pattern!r} is no regular expression: {error}.") from error
        if not groups:
            raise InputError(f"{self.patient_pattern!r} has no group: put the patient's part in parentheses.")


def parse_regions(option: str) -> tuple[tuple[str, str], ...]:
    """`--region` as rules: one name for all items, or `hn_*=head_neck,abd_*=abdomen`.

    Raises:
        InputError: a name that is neither a region nor `auto`.
    """
    rules = [[part.strip() for part in rule.rpartition("=")[::2]] for rule in option.split(",")]
    return tuple(
        (glob or "*", region if region == "auto" else check_region(region)) for glob, region in rules
    )


def find_sources(folder: Path, layout: Layout, rules: Rules) -> list[Source]:
    """CTs of `folder` and its subfolders, sorted by path. A mask of another CT is none, nor is a hidden file.

    Results of this program and DICOM images of other modalities are left out with a line.

    Raises:
        InputError: the folder does not exist or holds no CT.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder: give a folder of CTs.")
    folder = folder.resolve()
    matches = ((path, layout.match(path)) for path in _candidates(folder))
    found = [_source(folder, path, match, rules) for path, match in matches if match]
    masks = {mask for source in found for mask in source.labels.files + source.lesions.files}
    sources = [source for source in found if source.image not in masks]
    scans, results = without_results([source.image for source in sources])
    if results:
        logger.warning("%s: left out %s.", folder, listed({OWN_RESULT: [path.name for path in results]}))
    sources = [source for source in sources if source.image in scans]
    if not sources:
        raise InputError(
            f"{folder} holds no CT: put NIfTI, NRRD or MHA files or folders with DICOM series into it,"
            " in the published layout where --dataset names one."
        )
    return sources


def _candidates(folder: Path) -> Iterator[Path]:
    """Volume files, and folders in which the slices of a CT lie."""
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if _holds_ct(Path(root)):
            yield Path(root)
        yield from (Path(root, name) for name in sorted(files) if volume_suffix(name) and name[0] != ".")


def _holds_ct(folder: Path) -> bool:
    try:
        if ct_header(folder) is not None:
            return True
    except InputError:  # preparing it says what is wrong
        return True
    if holds_dicom(folder):
        logger.warning("%s is left out: its DICOM images are no slices of a CT.", folder)
    elif any(path.suffix.lower() in _DICOM_SUFFIXES for path in folder.iterdir()):
        logger.warning("%s is left out: its .dcm files are empty or no DICOM.", folder)
    return False


def _source(folder: Path, image: Path, match: Match, rules: Rules) -> Source:
    inner = image.with_name(scan_stem(image)).relative_to(folder)
    name = re.sub(r"[^\w.-]+", "_", inner.as_posix() if inner.parts else folder.name)
    return Source(
        name=name,
        image=image,
        labels=match.labels(),
        lesions=match.lesions(),
        patient=_patient(name, image, match, rules),
        region=next(
            (region for glob, region in rules.regions if fnmatch.fnmatch(name, glob)), match.layout.region
        ),
    )


def _patient(name: str, image: Path, match: Match, rules: Rules) -> str:
    found = re.search(rules.patient_pattern, name) if rules.patient_pattern else None
    if found:
        return found.group(1)
    if match.patient():
        return match.patient()
    patient_id = image.is_dir() and _patient_id(image)
    # Only that two series share a patient matters here; the id itself stays in the hospital's files.
    return hashlib.sha256(str(patient_id).encode()).hexdigest()[:12] if patient_id else name


def _patient_id(series: Path) -> str | None:
    try:
        slice_file = ct_header(series).filename
    except InputError:  # preparing it says what is wrong
        return None
    return pydicom.dcmread(slice_file, specific_tags=["PatientID"], stop_before_pixels=True, force=True).get(
        "PatientID"
    )
