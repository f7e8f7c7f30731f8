"""What no result can be made of is refused in one sentence, and nothing is written."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import itk
import nibabel as nib
import numpy as np
import pytest
from hard_input import (
    OF_MAPS,
    OF_SCANS,
    plain_affine,
    refusal,
    save,
    small_anatomy,
    small_hu,
    small_lesion,
    spread,
)


def of_hu(change, affine=None):
    """A NIfTI file of changed HU."""
    return lambda path: save(path / "scan.nii.gz", change(small_hu().astype(np.float32)), affine)


def of_bytes(change, name="scan.nii.gz"):
    """A file with other content than a scan's."""

    def write(path):
        (path / name).write_bytes(change(save(path / "scan.nii.gz", small_hu()).read_bytes()))
        return path / name

    return write


def of_header(change):
    """A scan whose NIfTI header is changed byte by byte."""

    def write(path):
        image = nib.Nifti1Image(small_hu(), plain_affine())
        change(image.header)
        with (path / "scan.nii").open("wb") as file:
            file.write(image.header.binaryblock + bytes(4) + small_hu().tobytes(order="F"))
        return path / "scan.nii"

    return write


def affine_with(column, value):
    """A wrong affine."""
    affine = plain_affine()
    affine[:3, column] = value
    return affine


def rgb(path):
    """A colour picture of a scan."""
    colours = np.zeros((32, 32, 16), np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))
    return save(path / "scan.nii.gz", colours)


def mha(shape, dtype=np.int16):
    """ITK's array order: last axis first."""

    def write(path):
        itk.imwrite(itk.image_from_array(np.zeros(shape, dtype)), str(path / "scan.mha"))
        return path / "scan.mha"

    return write


def link_to_itself(path):
    """A loop of symbolic links."""
    (path / "scan.nii.gz").symlink_to(path / "scan.nii.gz")
    return path / "scan.nii.gz"


def nan_in_header(header):
    """An affine that was never computed."""
    header["sform_code"], header["qform_code"] = 1, 0
    header["srow_x"] = np.nan


def no_slices(header):
    """Slices that lie upon each other."""
    header["sform_code"], header["srow_z"] = 1, (0, 0, 0, 5)


REFUSED = {
    "one slice": (of_hu(lambda hu: hu[:, :, :1]), "is a single slice"),
    "2-D": (of_hu(lambda hu: hu[:, :, 8]), "is a single slice"),
    "5 slices": (of_hu(lambda hu: hu[:, :, :5]), "32 x 32 x 5 voxels"),
    "4-D": (of_hu(lambda hu: np.stack([hu, hu], -1)), "channels or time"),
    "colours": (rgb, "holds colours"),
    "complex numbers": (of_hu(lambda hu: hu.astype(np.complex64)), "holds complex numbers"),
    "NaN": (of_hu(lambda hu: np.where(hu > 200, np.nan, hu)), "NaN or infinite"),
    "infinite": (of_hu(lambda hu: np.where(hu > 200, np.inf, hu)), "NaN or infinite"),
    "zeros": (of_hu(lambda hu: hu * 0), "between 0 and 0 only"),
    "normalised": (of_hu(lambda hu: hu / 2000), "is not a CT in HU"),
    "stored pixels": (of_hu(lambda hu: (hu + 1024).astype(np.uint16)), "rescale slope"),
    "a picture": (of_hu(lambda hu: np.clip(hu / 4 + 128, 0, 255).astype(np.uint8)), "rescale slope"),
    "lost sign": (of_hu(lambda hu: hu.astype(np.int16).view(np.uint16)), "is not a CT in HU"),
    "a million HU": (of_hu(lambda hu: hu * 1000), "is not a CT in HU"),
    "zero voxel size": (of_header(no_slices), "affine"),
    "axes alike": (of_hu(np.copy, affine_with(1, (9.7, 0, 0))), "affine"),
    "axes nearly alike": (of_hu(np.copy, affine_with(1, (9.7, 1e-6, 0))), "affine"),
    "NaN in the affine": (of_header(nan_in_header), "affine"),
    "metres": (of_hu(np.copy, np.diag([0.0007, 0.0007, 0.001, 1])), "voxel"),
    "a kilometre": (of_hu(np.copy, np.diag([7e5, 7e5, 1e6, 1])), "voxel"),
    "cut short": (of_bytes(lambda content: content[: len(content) // 2]), "cannot be read"),
    "a PNG": (of_bytes(lambda _: b"\x89PNG\r\n\x1a\n" + bytes(900)), "cannot be read"),
    "a zipped text": (of_bytes(lambda _: gzip.compress(b"hello" * 200)), "cannot be read"),
    "empty file": (of_bytes(lambda _: b""), "cannot be read"),
    "NIfTI in an NRRD": (of_bytes(lambda content: content, "scan.nrrd"), "cannot be read"),
    "a text": (of_bytes(lambda _: b"hello", "scan.txt"), "is no volume"),
    "2-D MHA": (mha((32, 32)), "is a single slice"),
    "4-D MHA": (mha((2, 16, 32, 32)), "channels or time"),
    "vectors": (lambda path: vectors(path), "channels or time"),
    "a loop of links": (link_to_itself, "does not exist"),
    "a link to nothing": (lambda path: dangling(path), "does not exist"),
    "nothing": (lambda path: path / "absent.nii.gz", "does not exist"),
    "an empty folder": (lambda path: path, "holds no CT"),
    "a device": (lambda path: Path("/dev/null"), "is no volume"),
    "no name": (lambda path: "", "image is ''"),
    "a number": (lambda path: 5, "image is 5"),
    "None": (lambda path: None, "No image is given"),
    "an empty list": (lambda path: [], "list of images is empty"),
    "a list of numbers": (lambda path: [1, 2], "image is"),
    "twice the same name": (lambda path: twins(path), "results of the same name"),
    "a name that is too long": (lambda path: path / ("x" * 300 + ".nii.gz"), "name too long"),
}


def vectors(path):
    """Three numbers per voxel."""
    array = np.zeros((16, 32, 32, 3), np.float32)
    itk.imwrite(itk.image_from_array(array, is_vector=True), str(path / "scan.nrrd"))
    return path / "scan.nrrd"


def dangling(path):
    """A link whose target was moved."""
    (path / "scan.nii.gz").symlink_to(path / "moved.nii.gz")
    return path / "scan.nii.gz"


def twins(path):
    """Two scans whose results would replace one another."""
    return [str(save(path / folder / "scan.nii.gz", small_hu())) for folder in "ab"]


@pytest.mark.parametrize(("case", "name"), spread(REFUSED, OF_SCANS))
def test_scans(case, name, tmp_path):
    write, words = REFUSED[case]
    (tmp_path / "in").mkdir()
    scan = write(tmp_path / "in")
    assert words in refusal(name, scan, tmp_path / "out")


AIR = np.random.default_rng(0).normal(-1000, 20, (32, 32, 16)).astype(np.int16)


@pytest.mark.parametrize("name", OF_SCANS)
def test_all_air_shows_no_region(name, tmp_path):
    path = save(tmp_path / "scan.nii.gz", AIR)
    assert "shows no body" in refusal(name, path, tmp_path / "out", region="auto")


MAPS = {
    "empty": (lambda labels: labels * 0, "is empty"),
    "unknown id": (lambda labels: labels + 200, "whole numbers from 0"),
    "negative": (lambda labels: -labels.astype(np.int16), "whole numbers from 0"),
    "fractions": (lambda labels: labels / 2.5, "whole numbers from 0"),
    "NaN": (lambda labels: np.where(labels > 100, np.nan, labels), "whole numbers from 0"),
    "one slice": (lambda labels: labels[:, :, :1], "is a single slice"),
    "a CT": (lambda labels: small_hu(), "whole numbers from 0"),
}


@pytest.mark.parametrize("name", OF_MAPS)
@pytest.mark.parametrize("case", MAPS)
def test_maps(case, name, tmp_path):
    change, words = MAPS[case]
    assert words in refusal(name, save(tmp_path / "map.nii.gz", change(small_anatomy())), tmp_path / "out")


def shifted():
    """Off by a third of a voxel."""
    affine = plain_affine()
    affine[0, 3] += 3.3
    return affine


def in_air():
    """A mask outside of the patient."""
    mask = np.zeros((32, 32, 16), np.uint8)
    mask[:2, :2, :2] = 1
    return mask


COMPANIONS = {
    "anatomy of another shape": ("ct_denoising", "anatomy", small_anatomy()[:, :, :15], None, "another grid"),
    "anatomy beside the scan": ("ct_anomaly_detection", "anatomy", small_anatomy(), shifted(), "another"),
    "anatomy with an unknown id": ("ct_foundation", "anatomy", small_anatomy() + 200, None, "whole numbers"),
    "organ of another shape": ("ct_anomaly_detection", "organ_mask", small_lesion()[1:], None, "another"),
    "an empty organ": ("ct_anomaly_detection", "organ_mask", small_lesion() * 0, None, "no voxel of"),
    "lesion beside the scan": ("ct_lesion_inpainting", "lesion", small_lesion(), shifted(), "another grid"),
    "an empty lesion": ("ct_lesion_inpainting", "lesion", small_lesion() * 0, None, "is empty"),
    "a lesion in the air": ("ct_lesion_inpainting", "lesion", in_air(), None, "outside of the body"),
    "lesion off the map": ("ct_lesion_generation", "lesion", small_lesion(), shifted(), "another grid"),
    "an empty lesion on a map": ("ct_lesion_generation", "lesion", small_lesion() * 0, None, "is empty"),
    "a lesion off the body": ("ct_lesion_generation", "lesion", in_air(), None, "outside of the body"),
}


@pytest.mark.parametrize("case", COMPANIONS)
def test_companions(case, tmp_path):
    name, key, array, affine, words = COMPANIONS[case]
    scan = save(tmp_path / "scan.nii.gz", small_anatomy() if name in OF_MAPS else small_hu())
    companion = save(tmp_path / "companion.nii.gz", array, affine)
    assert words in refusal(name, scan, tmp_path / "out", **{key: str(companion)})


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "scan.nii.gz")
    assert "is no volume" in refusal("ct_denoising", tmp_path / "scan.nii.gz", tmp_path / "out")
