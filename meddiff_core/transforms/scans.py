"""Which scans a path, a folder or a list stands for."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from meddiff_core.conditions.vocabulary import find_label
from meddiff_core.errors import InputError, listed
from meddiff_core.transforms.dicom_files import images_in
from meddiff_core.transforms.dicom_header import OWN_RESULT
from meddiff_core.transforms.dicom_objects import refuse_dicom_object
from meddiff_core.transforms.manifest import is_manifest, read_manifest
from meddiff_core.transforms.own_results import made_from

logger = logging.getLogger("meddiff")

VOLUME_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")
"""File names that hold one volume."""

PathLike = str | Path

# Records, pictures and pages have the name of their volume.
_BESIDE = (".json", ".png", ".html")


def volume_suffix(path: PathLike) -> str:
    """The suffix by which a file is known as a volume, in lower case; empty if it is none of them."""
    name = Path(path).name.lower()
    return next((suffix for suffix in VOLUME_SUFFIXES if name.endswith(suffix)), "")


def scan_stem(path: PathLike) -> str:
    """Name of a scan without its suffix (file) or of its folder (DICOM): what results are named after."""
    path = Path(os.path.abspath(path))  # not resolved: a link keeps its own name
    return path.name if path.is_dir() else path.name[: len(path.name) - len(volume_suffix(path))]


def result_name(meta: Mapping, postfix: str) -> str:
    """Name without suffix of the result for a scan: `<stem>_<postfix>`, numbered where there are several.

    Args:
        meta: metadata of the scan: `filename_or_obj`; `output` where a list of scans gives it another stem;
            `number` where it is one of several results.
        postfix: says what was done.
    """
    number = meta.get("number", "")
    stem = meta.get("output") or scan_stem(meta["filename_or_obj"])
    return f"{stem}_{postfix}" + (f"_{number}" if number else "")


def list_scans(
    image: PathLike | Sequence[PathLike] | None,
    anatomy: PathLike | None = None,
    lesion: PathLike | None = None,
    organ: PathLike | None = None,
    maps: bool = False,
) -> list[dict[str, str]]:
    """Expand what a user gives as `image` into items for a data set.

    Args:
        image: a volume file; a folder with a DICOM series (one scan); a folder of volume files and of
            sub-folders with DICOM series, whose other contents are left out with a line; a list of those; or
            a file that lists scans, see `read_manifest`. None, a config's default, is refused.
        anatomy: its label map, for one scan a file, or a folder of masks named like organs; or a folder with
            a map, or such a folder, of the same name for each scan.
        lesion: the same for lesion masks.
        organ: the same for organ masks.
        maps: what `image` names are anatomy maps; a folder of masks named like organs is one of them.

    Returns:
        items `{"image": path}`, with "anatomy", "lesion" and "organ" where given, in the order of the list
        or by name.

    Raises:
        InputError: something is missing, a folder holds no scan, or two scans would write the same result.
    """
    if image is None:
        raise InputError("No image is given: name a CT by --image, a file or the folder of a DICOM series.")
    given = list(image) if isinstance(image, list | tuple) else [image]
    for entry in given:
        _check_path("image", entry)
    if len(given) == 1 and is_manifest(given[0]):
        return _listed(Path(given[0]).expanduser(), {"anatomy": anatomy, "lesion": lesion, "organ": organ})
    paths = [scan for entry in given for scan in _expand(Path(entry).expanduser(), maps)]
    if not paths:
        raise InputError("The list of images is empty: name at least one CT.")
    stems: dict[str, Path] = {}
    for path in paths:
        other = stems.setdefault(scan_stem(path), path)
        if other is not path:
            raise InputError(f"{other} and {path} would write results of the same name: rename one of them.")
    items = [{"image": str(path)} for path in paths]
    for name, folder in (("anatomy", anatomy), ("lesion", lesion), ("organ", organ)):
        if not folder:
            continue
        _check_path(name, folder)
        for item in items:
            item[name] = str(_companion(name, Path(folder).expanduser(), item["image"], len(items)))
    return items


def _listed(path: Path, maps: Mapping[str, PathLike | None]) -> list[dict[str, str]]:
    """The items of a file that lists scans."""
    for name, given in maps.items():
        if given:
            raise InputError(f"{path} lists scans: name their maps in its column {name}, not by an option.")
    items = read_manifest(path)
    names: dict[str, str] = {}
    for item in items:
        name = item.get("output") or scan_stem(item["image"])
        if name in names:
            raise InputError(
                f"{names[name]} and {item['image']} would write results of the same name: give each a name "
                f"in the column output of {path}."
            )
        names[name] = item["image"]
    return items


def _check_path(name: str, value: object) -> None:
    if not isinstance(value, str | Path) or not str(value):
        raise InputError(f"{name} is {value!r}: give the path of a file or a folder.")


def _missing(name: str) -> str:
    if "::" in name:
        return f"{name} does not exist: MONAI's configs turn # into ::, so rename what has a # in its path."
    return f"{name} does not exist: check the path."


def _expand(path: Path, maps: bool) -> list[Path]:
    """The scans that one path stands for."""
    try:
        exists = path.exists()
    except OSError as error:
        raise InputError(f"{path} cannot be used ({error.strerror}): check the path.") from error
    if not exists:
        raise InputError(_missing(str(path)))
    # What is no folder is taken at its word here: loading it says what is wrong with it.
    if not path.is_dir() or _is_series(path) or (maps and organ_masks(path)):
        return [path]
    return _scans_of(path, maps)


def _is_series(folder: Path) -> bool:
    """Whether a folder is one scan: it holds DICOM images, and not just one beside volume files."""
    images = images_in(folder, 2)
    return images > 1 or (images == 1 and not any(map(volume_suffix, _entries(folder))))


def without_results(volumes: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Volumes that are input, and those that this program made of others and that are none.

    Of nothing but results those are input that were not made from another one of them.
    """
    sources = {path: made_from(path, scan_stem(path)) for path in volumes}
    names = {path.name for path in volumes}
    measured = [path for path in volumes if sources[path] is None]
    scans = measured or [path for path in volumes if sources[path] not in names]
    return scans, [path for path in volumes if path not in scans]


def _scans_of(folder: Path, maps: bool) -> list[Path]:
    """The scans in a folder of several; a line says what is left out, such as results of earlier runs."""
    volumes = _volumes_in(folder, maps)
    scans, results = without_results(volumes)
    beside = {f"{scan_stem(path)}{end}" for path in volumes for end in _BESIDE}
    others = [path.name for path in _entries(folder) if path not in volumes and path.name not in beside]
    left_out = {
        OWN_RESULT: [path.name for path in results],
        "no volume": others,
    }
    if not scans:
        known, found = ", ".join(VOLUME_SUFFIXES), listed(left_out) or "nothing"
        raise InputError(
            f"{folder} holds no CT, but {found}: put {known} files or folders with DICOM series into it."
        )
    if any(left_out.values()):
        counts = (len(scans), sum(map(len, left_out.values())))
        sentence = "%s: scans taken: %s, left out: %s, namely %s."
        logger.warning(sentence, folder, *counts, listed(left_out))
    return scans


def _volumes_in(folder: Path, maps: bool = False) -> list[Path]:
    """Volume files and folders of series; of maps, folders with a mask per organ, too."""
    return [
        path
        for path in _entries(folder)
        if (_is_series(path) or (maps and organ_masks(path)) if path.is_dir() else volume_suffix(path))
    ]


def _entries(folder: Path) -> list[Path]:
    # Hidden files are drafts of results and what other systems leave behind (._scan.nii.gz).
    return [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]


def organ_masks(folder: Path) -> dict[Path, int]:
    """The masks in a folder that are named like the vocabulary, as of TotalSegmentator, and their ids.

    Empty where most files have other names. A folder `segmentations` in it counts as the folder itself.
    """
    within = folder / "segmentations"
    folder = within if within.is_dir() else folder
    files = [path for path in _entries(folder) if volume_suffix(path)]
    masks = {path: label for path in files if (label := find_label(scan_stem(path)))}
    if 2 * len(masks) <= len(files):
        return {}
    others = [path.name for path in files if path not in masks]
    if others:
        logger.warning("%s: the vocabulary has no %s: left out.", folder, ", ".join(others))
    return masks


def _companion(name: str, at: Path, scan: str, scans: int) -> Path:
    """The map in `at` that belongs to `scan`."""
    if not at.exists():
        raise InputError(_missing(f"The {name} map {at}"))
    if at.is_file():
        if scans > 1:
            raise InputError(f"{at} is one {name} map for {scans} scans: give a folder with a map for each.")
        return at
    stem = scan_stem(scan)
    found = [path for path in _volumes_in(at, name == "anatomy") if scan_stem(path) == stem]
    if found:
        return found[0]
    if name == "anatomy" and scans == 1 and organ_masks(at):
        return at
    refuse_dicom_object(at, f"The {name} map {at}")
    hint = " (TotalSegmentator makes one map of a scan with --ml)" if name == "anatomy" else ""
    raise InputError(f"{at} holds no {name} map named {stem}: name the maps like their scans{hint}.")
