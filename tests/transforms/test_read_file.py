"""Damaged files and files of another kind than their name says: read to the end, refused by name."""

from __future__ import annotations

import gzip

import itk
import nibabel as nib
import numpy as np
import pytest

from meddiff_core.errors import InputError
from meddiff_core.transforms.read_file import read_file

SHAPE = (64, 48, 40)
SLICE = SHAPE[0] * SHAPE[1] * 2


@pytest.fixture(scope="module")
def voxels():
    return np.random.default_rng(0).integers(-1000, 1500, SHAPE).astype(np.int16)


@pytest.fixture(scope="module")
def content(voxels, tmp_path_factory):
    """Bytes of the volume in every format."""
    folder = tmp_path_factory.mktemp("formats")
    nib.save(nib.Nifti1Image(voxels, np.eye(4)), folder / "scan.nii")
    nib.save(nib.Nifti2Image(voxels, np.eye(4)), folder / "two.nii")
    found = {"nii": (folder / "scan.nii").read_bytes(), "nii2": (folder / "two.nii").read_bytes()}
    found["gz"] = gzip.compress(found["nii"], mtime=0)
    image = itk.image_from_array(np.ascontiguousarray(voxels.T))
    for suffix in ("nrrd", "mha"):
        for compressed in (False, True):
            itk.imwrite(image, str(folder / f"scan.{suffix}"), compression=compressed)
            found[suffix + "z" * compressed] = (folder / f"scan.{suffix}").read_bytes()
    return found


def flipped(data, at):
    """One bit that fell over."""
    place = len(data) + at if at < 0 else int(len(data) * at)
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


READ = {
    "gzip": ("scan.nii.gz", lambda c: c["gz"]),
    "no gzip": ("scan.nii", lambda c: c["nii"]),
    "NIfTI-2": ("scan.nii.gz", lambda c: gzip.compress(c["nii2"])),
    "gzip that is not named so": ("scan.nii", lambda c: c["gz"]),
    "no gzip though named so": ("scan.nii.gz", lambda c: c["nii"]),
    "zeros behind the gzip data": ("scan.nii.gz", lambda c: c["gz"] + bytes(512)),
    "a text behind the gzip data": ("scan.nii.gz", lambda c: c["gz"] + b"hello"),
    "two parts of gzip": (
        "scan.nii.gz",
        lambda c: b"".join(map(gzip.compress, (c["nii"][:9], c["nii"][9:]))),
    ),
    "some bytes more": ("scan.nii", lambda c: c["nii"] + bytes(100)),
    "compressed NRRD": ("scan.nrrd", lambda c: c["nrrdz"]),
    "compressed MHA": ("scan.mha", lambda c: c["mhaz"]),
    "plain MHA": ("scan.mha", lambda c: c["mha"]),
}


@pytest.mark.parametrize("case", READ)
def test_read(case, content, voxels, tmp_path):
    name, make = READ[case]
    (tmp_path / name).write_bytes(make(content))
    array, _, _ = read_file(tmp_path / name)
    np.testing.assert_array_equal(array, voxels)


DAMAGED = "compressed data are damaged; get it again"
SHORT = "is cut short; get it again"
ANY = "damaged, cut short or not a CT volume"
REFUSED = {
    "a wrong checksum": ("scan.nii.gz", lambda c: flipped(c["gz"], -6), DAMAGED),
    "a wrong length": ("scan.nii.gz", lambda c: flipped(c["gz"], -2), DAMAGED),
    "a wrong bit": ("scan.nii.gz", lambda c: flipped(c["gz"], 0.5), DAMAGED),
    "no checksum": ("scan.nii.gz", lambda c: c["gz"][:-8], SHORT),
    "half": ("scan.nii.gz", lambda c: c["gz"][: len(c["gz"]) // 2], SHORT),
    "a slice short": (
        "scan.nii.gz",
        lambda c: gzip.compress(c["nii"][:-SLICE]),
        "39 slices, while its header says 40",
    ),
    "a byte short": ("scan.nii", lambda c: c["nii"][:-1], "39 slices, while its header says 40"),
    "a slice more": ("scan.nii", lambda c: c["nii"] + bytes(SLICE), "41 slices, while its header says 40"),
    "a header alone": ("scan.nii", lambda c: c["nii"][:352], "0 slices, while its header says 40"),
    "half a header": ("scan.nii", lambda c: c["nii"][:100], ANY),
    "NRRD: half": ("scan.nrrd", lambda c: c["nrrdz"][: len(c["nrrdz"]) // 2], ANY),
    "NRRD: half, not compressed": ("scan.nrrd", lambda c: c["nrrd"][: len(c["nrrd"]) // 2], ANY),
    "NRRD: a wrong bit": ("scan.nrrd", lambda c: flipped(c["nrrdz"], 0.6), ANY),
    "NRRD: a wrong checksum": ("scan.nrrd", lambda c: flipped(c["nrrdz"], -6), ANY),
    "MHA: half": ("scan.mha", lambda c: c["mhaz"][: len(c["mhaz"]) // 2], ANY),
    "MHA: half, not compressed": ("scan.mha", lambda c: c["mha"][: len(c["mha"]) // 2], ANY),
    "MHA: a wrong bit": ("scan.mha", lambda c: flipped(c["mhaz"], 0.6), DAMAGED),
    "MHA: a wrong checksum": ("scan.mha", lambda c: flipped(c["mhaz"], -2), DAMAGED),
    "empty": ("scan.nii.gz", lambda c: b"", "it is empty"),
    "empty NRRD": ("scan.nrrd", lambda c: b"", "it is empty"),
    "NRRD, named NIfTI": ("scan.nii.gz", lambda c: c["nrrd"], "it holds NRRD: let its name end with .nrrd"),
    "MHA, named NIfTI": ("scan.nii", lambda c: c["mha"], "it holds MetaImage: let its name end with .mha"),
    "NRRD, named MHA": ("scan.mha", lambda c: c["nrrd"], "it holds NRRD"),
    "NIfTI, named NRRD": ("scan.nrrd", lambda c: c["nii"], "it holds NIfTI: let its name end with .nii"),
    "gzip, named MHA": ("scan.mha", lambda c: c["gz"], "it is compressed by gzip"),
    "DICOM": ("scan.nii.gz", lambda c: bytes(128) + b"DICM" + bytes(500), "give the folder of its series"),
    "DICOM, named NRRD": ("scan.nrrd", lambda c: bytes(128) + b"DICM" + bytes(500), "it holds a DICOM image"),
    "a picture": ("scan.nii.gz", lambda c: b"\x89PNG\r\n\x1a\n" + bytes(900), "it holds a picture"),
    "a web page": ("scan.nii.gz", lambda c: b"<!DOCTYPE html><html>", "it holds a web page: download"),
    "an archive": ("scan.nii.gz", lambda c: b"PK\x03\x04" + bytes(900), "it holds a zip archive: unpack it"),
    "a pointer": (
        "scan.nii.gz",
        lambda c: b"version https://git-lfs.github.com/spec/v1",
        "a Git LFS pointer",
    ),
    "a text": ("scan.nii", lambda c: b"hello" * 200, ANY),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case, content, tmp_path):
    name, make, words = REFUSED[case]
    (tmp_path / name).write_bytes(make(content))
    with pytest.raises(InputError) as caught:
        read_file(tmp_path / name)
    sentence = str(caught.value)
    assert sentence.startswith(str(tmp_path / name))
    assert words in sentence
