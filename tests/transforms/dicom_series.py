"""A small DICOM series, and ways to change and to load it, for all tests of DICOM input."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from meddiff_core.errors import InputError
from meddiff_core.transforms.load import LoadCTd

SPACING = (0.7, 0.8, 2.5)
AFFINE = np.diag([-SPACING[0], -SPACING[1], SPACING[2], 1.0])
AFFINE[:3, 3] = (70, 80, -300)
ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
RESCALE = ("RescaleSlope", "RescaleIntercept", "RescaleType")


def load(folder):
    return LoadCTd()({"image": str(folder)})["image"]


def files(folder):
    return sorted(folder.iterdir())


def change(path, **attributes):
    """Set attributes of a DICOM file; a function makes the new value from the old one, None removes it."""
    ds = pydicom.dcmread(path)
    for keyword, value in attributes.items():
        value = value(getattr(ds, keyword)) if callable(value) else value
        if value is not None:
            setattr(ds, keyword, value)
            if ds[keyword].VR == "US or SS":
                ds[keyword].VR = "SS" if value < 0 else "US"
        elif keyword in ds:
            delattr(ds, keyword)
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.save_as(path)


def moved(offset):
    """A function that shifts a position by mm in LPS."""
    return lambda position: [f"{p + o:.6g}" for p, o in zip(position, offset, strict=True)]


def refused(folder) -> str:
    """The one sentence with which a folder is refused."""
    with pytest.raises(InputError) as caught:
        load(folder)
    sentence = str(caught.value)
    assert sentence.startswith(str(folder))
    assert "\n" not in sentence
    return sentence


def save_frames(sources: Sequence[Path], folder: Path, sop_class: str = ENHANCED_CT) -> Path:
    """Join slices to one multi-frame file in a folder: enhanced CT, whose frames tell their place."""
    slices = [pydicom.dcmread(path) for path in sources]
    ds = slices[0]
    frames = []
    for one in slices:
        frame = _group("PlanePosition", ImagePositionPatient=one.ImagePositionPatient)
        scale = {word: one.get(word) for word in RESCALE if word in one}
        frame.update(_group("PixelValueTransformation", **scale))
        frames.append(frame)
    shared = _group("PlaneOrientation", ImageOrientationPatient=ds.ImageOrientationPatient)
    shared.update(_group("PixelMeasures", PixelSpacing=ds.PixelSpacing))
    pixels = b"".join(one.PixelData for one in slices)
    keywords = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
    for keyword in (*keywords, *RESCALE):
        if keyword in ds:
            delattr(ds, keyword)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = sop_class
    ds.NumberOfFrames, ds.PixelData = len(frames), pixels
    ds.SharedFunctionalGroupsSequence, ds.PerFrameFunctionalGroupsSequence = [shared], frames
    folder.mkdir(exist_ok=True)
    ds.save_as(folder / f"{len(files(folder))}.dcm")
    return folder


def _group(name: str, **attributes) -> Dataset:
    """A functional group."""
    item, groups = Dataset(), Dataset()
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    setattr(groups, f"{name}Sequence", [item])
    return groups
