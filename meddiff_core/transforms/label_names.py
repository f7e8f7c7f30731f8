"""What the header of a label map calls its values, and the vocabulary's ids for these names."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import itk
import numpy as np
import torch
from monai.data import MetaTensor

from meddiff_core.conditions.vocabulary import BODY, find_label
from meddiff_core.errors import InputError
from meddiff_core.transforms.label_values import whole_values
from meddiff_core.transforms.read_file import nifti_image
from meddiff_core.transforms.scans import volume_suffix

logger = logging.getLogger("meddiff")


def label_names(path: Path) -> dict[int, str]:
    """Value to name, from the label table in a NIfTI's header extension, or the segments of a `.seg.nrrd`.

    TotalSegmentator and Connectome Workbench write the former, 3D Slicer the latter. A segment whose name is
    none of the vocabulary is called by its id, where that is one. Without a table, or damaged: empty.

    Raises:
        InputError: the segments overlap and lie in several layers.
    """
    try:
        if volume_suffix(path).startswith(".nii"):
            return _table_of_nifti(path)
        return _segments(path) if volume_suffix(path) == ".nrrd" else {}
    except InputError:
        raise
    except Exception:  # reading the voxels says what is wrong with the file
        return {}


def _table_of_nifti(path: Path) -> dict[int, str]:
    names: dict[int, str] = {}
    for extension in nifti_image(path).header.extensions:
        content = extension.get_content()
        text = content.decode("utf-8", "replace") if isinstance(content, bytes) else str(content)
        if "<LabelTable>" in text:
            table = ElementTree.fromstring(text.strip("\0 \r\n"))
            names |= {int(label.attrib["Key"]): (label.text or "").strip() for label in table.iter("Label")}
    return names


def _segments(path: Path) -> dict[int, str]:
    header = itk.ImageIOFactory.CreateImageIO(str(path), itk.CommonEnums.IOFileMode_ReadMode)
    header.SetFileName(str(path))
    header.ReadImageInformation()
    fields = header.GetMetaDataDictionary()
    found = {key: str(fields[key]) for key in fields.GetKeys() if key.startswith("Segment")}
    numbers = [key.removesuffix("_LabelValue") for key in found if key.endswith("_LabelValue")]
    names = [
        _segment_name(found.get(f"{number}_Name", ""), found.get(f"{number}_ID", "")) for number in numbers
    ]
    if header.GetNumberOfComponents() > 1 and names:
        raise InputError(
            f"{path} holds several segments, in layers as they overlap ({', '.join(names)}): in 3D Slicer, "
            "export the one that is meant as a label map (Segmentations, Export to files), NIfTI or NRRD."
        )
    return {int(found[f"{number}_LabelValue"]): name for number, name in zip(numbers, names, strict=True)}


def _segment_name(name: str, identity: str) -> str:
    return identity if find_label(name) is None and find_label(identity) is not None else name


def ids_by_names(labels: MetaTensor, names: Mapping[int, str], name: str) -> MetaTensor:
    """Values that the file's header names, as ids of the vocabulary; as they are where that says the same.

    What has a name that the vocabulary lacks is tissue of the body, which a warning says.

    Args:
        labels: `(1, X, Y, Z)`, values of the file.
        names: value to name, see `label_names`.
        name: begins the sentence of a refusal.

    Raises:
        InputError: the vocabulary has none of the names, or a value has no name among others that have one.
    """
    values, found = whole_values(labels, name)
    present = [int(value) for value in found if value != 0]
    ids = {value: find_label(names[value]) for value in present if value in names}
    if not ids or all(value == label for value, label in ids.items()):
        return labels
    unknown = [names[value] for value, label in ids.items() if label is None]
    if len(unknown) == len(ids):
        raise InputError(
            f"{name} names its labels {', '.join(unknown)}, of which the vocabulary has none: give a map of "
            "TotalSegmentator's task total, or rename them."
        )
    nameless = [value for value in present if value not in ids]
    if nameless:
        raise InputError(
            f"{name} has other numbers than TotalSegmentator v2, and no name for {nameless[0]} in the label "
            "table of its header: add it, or make the map again."
        )
    if unknown:
        logger.warning("%s: the vocabulary has no %s: tissue of the body.", name, ", ".join(unknown))
    logger.info("%s: its labels are taken by the names in its header, not by their numbers.", name)
    result = np.zeros(values.shape, dtype=np.float32)
    for value, label in ids.items():
        result[values == value] = BODY if label is None else label
    return MetaTensor(torch.from_numpy(result)[None], affine=labels.affine, meta=labels.meta)
