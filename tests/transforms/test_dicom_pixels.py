"""The numbers of a DICOM series become HU, or a sentence names what is not understood."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from dicom_series import change, files, load, refused, save_frames
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
)

AIR = -1024
SIGNED = {"PixelRepresentation": 1, "RescaleIntercept": 0}
TWELVE = {"BitsStored": 12, "HighBit": 11}


def unsigned(hu):
    return (hu + 1024).astype(np.uint16)


def signed(hu):
    return hu.astype(np.int16)


def outside(hu):
    """What lies outside of a scanner's field of view."""
    rows, columns = np.indices(hu.shape)
    return np.hypot(rows - hu.shape[0] / 2, columns - hu.shape[1] / 2) > 9


def padded(words, value, *values, **attributes):
    """A case in which scanners pad with `value`; further ones lie between it and the range's limit."""

    def case(hu, k):
        stored, around = words(hu), np.argwhere(outside(hu))
        for number, (row, column) in enumerate(around):
            word = (value, *values)[number % (1 + len(values))]
            stored[row, column] = np.array(word, np.int64).astype(stored.dtype)
        tags = {"PixelPaddingValue": value} | ({"PixelPaddingRangeLimit": values[-1]} if values else {})
        return stored, tags | attributes, np.where(outside(hu), AIR, hu)

    return case


def like_tissue(hu, k):
    """Padding has the number of water: air outside, water inside."""
    stored = np.where(hu == 0, 1, signed(hu)).astype(np.int16)
    stored[outside(hu)] = 0
    stored[9:11, 9:11] = 0
    return stored, SIGNED | {"PixelPaddingValue": 0}, np.where(outside(hu), AIR, stored)


def beyond_the_stored_bits(hu, k):
    stored, tags, expected = padded(unsigned, 63536)(hu, k)
    return stored, tags | TWELVE, expected


def with_overlay(hu, k):
    return unsigned(hu) | 0x3000, TWELVE, hu


def in_the_high_bits(hu, k):
    return unsigned(hu) << 4, {"BitsStored": 12, "HighBit": 15}, hu


def twelve_signed_bits(hu, k):
    """The sign is that of bit 11; those above are zero."""
    hu = np.clip(hu, -1000, 1500)
    return signed(hu) & 0x0FFF, TWELVE | SIGNED, hu


def by_turns(hu, k):
    return (signed(hu), SIGNED, hu) if k % 2 else (unsigned(hu), {}, hu)


def own_rescale(hu, k):
    return signed(hu), {"PixelRepresentation": 1, "RescaleSlope": "0.5", "RescaleIntercept": k}, hu * 0.5 + k


READ = {
    "unsigned": lambda hu, k: (unsigned(hu), {}, hu),
    "signed": lambda hu, k: (signed(hu), SIGNED, hu),
    "signed and unsigned by turns": by_turns,
    "a rescale of each slice": own_rescale,
    "MONOCHROME1, unsigned": lambda hu, k: (unsigned(hu), {"PhotometricInterpretation": "MONOCHROME1"}, hu),
    "MONOCHROME1, signed": lambda hu, k: (
        signed(hu),
        SIGNED | {"PhotometricInterpretation": "MONOCHROME1"},
        hu,
    ),
    "padding, unsigned": padded(unsigned, 63536),
    "padding, signed": padded(signed, -2000, **SIGNED),
    "padding below air": padded(signed, -3024, **SIGNED),
    "a range of padding": padded(unsigned, 63000, 64000, 65000),
    "a range downwards": padded(unsigned, 65000, 64000, 63000, PhotometricInterpretation="MONOCHROME1"),
    "padding beyond the stored bits": beyond_the_stored_bits,
    "padding like tissue": like_tissue,
    "unused bits hold an overlay": with_overlay,
    "the high bits": in_the_high_bits,
    "12 signed bits": twelve_signed_bits,
    "units that are named": lambda hu, k: (unsigned(hu), {"RescaleType": "HU"}, hu),
    "no modality": lambda hu, k: (unsigned(hu), {"Modality": None}, hu),
}


def store(series, hu, case):
    """Store the HU of the series in another way; what has to be read."""
    expected = np.empty(hu.shape, np.float32)
    for k, path in enumerate(files(series)):
        stored, attributes, wanted = case(hu[:, :, k].T, k)
        change(path, PixelData=np.ascontiguousarray(stored).tobytes(), **attributes)
        expected[:, :, k] = wanted.T
    return expected


@pytest.mark.parametrize("case", READ)
def test_read(case, series, hu):
    expected = store(series, hu, READ[case])
    np.testing.assert_array_equal(load(series).numpy()[0], expected)


# Of a multi-frame file only the rescale can differ between frames.
@pytest.mark.parametrize("case", sorted(set(READ) - {"signed and unsigned by turns"}))
def test_read_from_one_file(case, series, hu, tmp_path):
    expected = store(series, hu, READ[case])
    folder = save_frames(files(series), tmp_path / "enhanced")
    np.testing.assert_array_equal(load(folder).numpy()[0], expected)


SYNTAXES = {
    "implicit": (ImplicitVRLittleEndian, True, True),
    "big-endian": (ExplicitVRBigEndian, False, False),
    "deflated": (DeflatedExplicitVRLittleEndian, False, True),
    "RLE": (RLELossless, False, True),
}


@pytest.mark.parametrize("case", ["padding, signed", "MONOCHROME1, signed", "padding beyond the stored bits"])
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_read_from_any_syntax(syntax, case, series, hu):
    expected = store(series, hu, READ[case])
    uid, implicit, little = SYNTAXES[syntax]
    for path in files(series):
        ds = pydicom.dcmread(path)
        if uid.is_compressed:
            ds.compress(uid)
        else:
            if not little:
                ds.PixelData = np.frombuffer(ds.PixelData, "<u2").astype(">u2").tobytes()
            ds.file_meta.TransferSyntaxUID = uid
        fresh = Dataset()
        fresh.update(ds)
        fresh.file_meta = ds.file_meta
        fresh.save_as(path, implicit_vr=implicit, little_endian=little, enforce_file_format=True)
    np.testing.assert_array_equal(load(series).numpy()[0], expected)


def table():
    """A Modality LUT."""
    item = Dataset()
    item.LUTDescriptor, item.ModalityLUTType, item.LUTData = [2, 0, 16], "HU", bytes(4)
    return [item]


ALL, ONE = slice(None), slice(5, 6)
REFUSED = {
    "a lookup table": (ALL, {"ModalityLUTSequence": table()}, "by a table (ModalityLUTSequence)"),
    "a lookup table in one slice": (ONE, {"ModalityLUTSequence": table()}, "_005.dcm turns its pixels"),
    "unspecified units": (ALL, {"RescaleType": "US"}, "holds values in US (RescaleType)"),
    "electron density": (ONE, {"RescaleType": "ED"}, "holds values in ED (RescaleType)"),
    "no rescale": (ALL, {"RescaleSlope": None, "RescaleIntercept": None}, "all slices lack RescaleSlope"),
    "no slope": (ALL, {"RescaleSlope": None}, "stored pixels of unknown units: all slices lack"),
    "no intercept in one": (ONE, {"RescaleIntercept": None}, "1 of 16 slices lack RescaleSlope or"),
    "a slope of zero": (ONE, {"RescaleSlope": 0}, "has a RescaleSlope of 0"),
    "MR": (ALL, {"Modality": "MR"}, "(modality MR)"),
    "PET": (ALL, {"Modality": "PT"}, "(modality PT)"),
    "a palette": (ALL, {"PhotometricInterpretation": "PALETTE COLOR"}, "(in colours)"),
    "no pixels": (ONE, {"PixelData": None}, "_005.dcm cannot be read: its pixels are damaged"),
    "no bits": (ONE, {"BitsAllocated": None}, "_005.dcm cannot be read: its pixels are damaged"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case, series):
    which, attributes, words = REFUSED[case]
    for path in files(series)[which]:
        change(path, **attributes)
    assert words in refused(series)


def test_what_is_compressed_and_damaged_is_named(series):
    path = files(series)[4]
    ds = pydicom.dcmread(path)
    ds.file_meta.TransferSyntaxUID = JPEGLSLossless
    ds.PixelData = pydicom.encaps.encapsulate([b"no picture  "])
    ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
    ds.save_as(path)
    sentence = refused(series)
    assert sentence.startswith(str(path))
    assert "compressed as JPEG-LS Lossless" in sentence


def test_frames_without_a_rescale(series, tmp_path):
    for path in files(series):
        change(path, RescaleSlope=None)
    folder = save_frames(files(series), tmp_path / "enhanced")
    assert "all slices lack RescaleSlope" in refused(folder)


def test_frames_in_other_units(series, tmp_path):
    change(files(series)[3], RescaleType="Z_EFF")
    folder = save_frames(files(series), tmp_path / "enhanced")
    assert "holds values in Z_EFF" in refused(folder)
