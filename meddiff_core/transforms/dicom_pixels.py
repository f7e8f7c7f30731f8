"""Stored pixels of DICOM slices, and the HU that they mean."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import itk
import numpy as np
import pydicom
from pydicom import Dataset
from pydicom.uid import RLELossless, SecondaryCaptureImageStorage, generate_uid
from scipy import ndimage

from meddiff_core.errors import InputError, some_of
from meddiff_core.transforms.dicom_header import new_file
from meddiff_core.transforms.dicom_slice import Slice, frame_value

AIR_HU = -1024.0
"""What padding becomes: the least that scanners of 12 bits measure."""

# Slices that are turned to (X, Y, Z) at a time: single voxels written far apart take long.
_TURNED = 16
_LAYOUT = [
    *("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "BitsAllocated", "BitsStored", "HighBit"),
    "PixelRepresentation",
]
_PIXELS = [
    *(*_LAYOUT, "PhotometricInterpretation", "PixelPaddingValue", "PixelPaddingRangeLimit"),
    "PixelData",
]
# HU between air and metal, which the body has, too: a padding value there is padding at the border alone.
_BODY_HU = (-900.0, 3071.0)


def check_units(headers: Sequence[Dataset], slices: Sequence[Slice], name: str) -> None:
    """Refuse slices whose stored numbers do not become HU by a slope and an intercept.

    Args:
        headers: of their files.
        slices: all of the series.
        name: begins the sentence of an error.
    """
    tables = [header for header in headers if header.get("ModalityLUTSequence")]
    if tables:
        raise InputError(
            f"{tables[0].filename} turns its pixels into other units by a table (ModalityLUTSequence), which "
            "is not supported: convert it to slices with RescaleSlope and RescaleIntercept."
        )
    frames = ((header, k) for header in headers for k in range(int(header.get("NumberOfFrames") or 1)))
    units = {frame_value(*frame, "PixelValueTransformationSequence", "RescaleType") for frame in frames}
    others = sorted(str(unit) for unit in units - {None, "", "HU"})
    if others:
        raise InputError(f"{name} holds values in {others[0]} (RescaleType): give a series in HU.")
    lacking = [Path(one.path).name for one in slices if one.rescale is None]
    if lacking:
        which = "all" if len(lacking) == len(slices) else f"{len(lacking)} of {len(slices)}"
        raise InputError(
            f"{name} holds stored pixels of unknown units: {which} slices lack RescaleSlope or "
            f"RescaleIntercept ({some_of(lacking)}); export it again, or give NIfTI in HU."
        )
    for one in slices:
        if not (np.isfinite(one.rescale).all() and one.rescale[0]):
            raise InputError(f"{one.path} has a RescaleSlope of {one.rescale[0]:g}: export it again.")


def read_hu(slices: Sequence[Slice]) -> np.ndarray:
    """HU of slices, float32 `(X, Y, Z)`: columns, rows, slices. Padding becomes air.

    Raises:
        InputError: the pixels of a file are damaged or cannot be decoded.
    """
    volume = np.empty((*slices[0].shape[::-1], len(slices)), np.float32)
    planes = _planes(slices)
    for start in range(0, len(slices), _TURNED):
        block = np.stack(list(islice(planes, _TURNED)))
        volume[:, :, start : start + len(block)] = block.T
    return volume


def _planes(slices: Sequence[Slice]) -> Iterator[np.ndarray]:
    """HU of each slice `(rows, columns)`."""
    path = None
    for one in slices:
        if path != one.path:  # once for all frames of a file
            path = one.path
            header, pixels = _stored_pixels(path)
        yield _in_hu(pixels[one.frame], header, *one.rescale)


def _stored_pixels(path: str) -> tuple[Dataset, np.ndarray]:
    """Header of a file and its stored numbers, `(frames, rows, columns)`."""
    hint = ""
    try:
        header = pydicom.dcmread(path, specific_tags=_PIXELS, force=True)
        syntax = header.file_meta.get("TransferSyntaxUID")  # none in a file that begins with the image
        if header["PixelData"].is_undefined_length or (syntax and syntax.is_compressed):
            hint = f", or compressed as {syntax and syntax.name}, which cannot be decoded"
            pixels = _decompressed(header)
        else:
            pixels = _plain(header, "<" if syntax is None or syntax.is_little_endian else ">")
        return header, pixels.reshape(-1, header.Rows, header.Columns)
    except Exception as error:  # whatever damaged pixels make of pydicom and ITK
        raise InputError(f"{path} cannot be read: its pixels are damaged or cut short{hint}.") from error


def _plain(header: Dataset, order: str) -> np.ndarray:
    """Stored numbers as they are: pydicom clears the unused bits, but padding may need them."""
    kind = "i" if header.PixelRepresentation else "u"
    count = int(header.get("NumberOfFrames") or 1) * header.Rows * header.Columns
    return np.frombuffer(header.PixelData, f"{order}{kind}{header.BitsAllocated // 8}", count)


def _decompressed(header: Dataset) -> np.ndarray:
    """Stored numbers by ITK, which knows all compressions.

    It sees a picture without units: of a CT it would apply the rescale, and turn MONOCHROME1 over.
    """
    picture = Dataset()
    for keyword in (*_LAYOUT, "PixelData"):
        if keyword in header:
            picture[keyword] = header[keyword]
    picture.PhotometricInterpretation = "MONOCHROME2"
    if header.file_meta.TransferSyntaxUID == RLELossless:  # keeps the unused bits, which ITK would clear
        picture.BitsStored, picture.HighBit = picture.BitsAllocated, picture.BitsAllocated - 1
    picture.SOPClassUID, picture.SOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.dcm"
        new_file(picture, header.file_meta.TransferSyntaxUID).save_as(path)
        return itk.array_from_image(itk.imread(str(path)))


def _in_hu(words: np.ndarray, header: Dataset, slope: float, intercept: float) -> np.ndarray:
    """HU of one slice `(rows, columns)`."""
    unused = header.BitsAllocated - header.BitsStored
    pixels = words
    if unused:  # they may hold an overlay, or anything
        above = header.BitsAllocated - 1 - header.get("HighBit", header.BitsStored - 1)
        pixels = np.right_shift(np.left_shift(words, above), unused)
    hu = pixels.astype(np.float32) * np.float32(slope) + np.float32(intercept)
    value = header.get("PixelPaddingValue")
    if value not in (None, ""):
        limit = header.get("PixelPaddingRangeLimit")
        # Some scanners pad with numbers that the stored bits cannot hold.
        bounds = np.array([value, value if limit in (None, "") else limit], np.int64).astype(words.dtype)
        padding = np.zeros(words.shape, bool)
        for numbers in (words, pixels) if unused else (words,):
            padding |= (numbers >= bounds.min()) & (numbers <= bounds.max())
        if padding.any():
            hu[_believed(padding, bounds * slope + intercept)] = AIR_HU
    return hu


def _believed(padding: np.ndarray, hu: np.ndarray) -> np.ndarray:
    """Where padding of the given HU is not tissue that happens to have the same number."""
    if hu.max() < _BODY_HU[0] or hu.min() > _BODY_HU[1]:
        return padding
    regions, _ = ndimage.label(padding)
    border = np.unique(np.concatenate([regions[0], regions[-1], regions[:, 0], regions[:, -1]]))
    return np.isin(regions, border[border > 0])
