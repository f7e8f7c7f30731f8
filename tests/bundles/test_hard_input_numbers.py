"""However the numbers of a scan are stored, its HU come out right, or a sentence says why not."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from hard_input import (
    NAMES,
    OF_MAPS,
    OF_SCANS,
    plain_affine,
    run,
    save,
    small_anatomy,
    small_hu,
    small_lesion,
    spread,
)


def stored(dtype, slope=1.0, inter=0.0, kind=nib.Nifti1Image):
    """HU in a type, by a slope and an intercept."""

    def write(path, hu):
        numbers = np.rint((hu - inter) / slope).astype(np.dtype(dtype))
        order = {"<": "<", ">": ">"}.get(numbers.dtype.str[0], "<")
        image = kind(numbers, plain_affine(), kind.header_class(endianness=order))
        image.header.set_data_dtype(numbers.dtype)
        image.header.set_slope_inter(slope, inter)
        image.to_filename(path)  # the numbers as they are
        return path

    return write


NUMBERS = {
    "int8": stored(np.int8, 12, 100),
    "uint8": stored(np.uint8, 16, -1024),
    "int16": stored(np.int16),
    "int16, slope 2": stored(np.int16, 2, -1024),
    "uint16, intercept -1024": stored(np.uint16, 1, -1024),
    "int32": stored(np.int32),
    "uint32, intercept -1024": stored(np.uint32, 1, -1024),
    "int64": stored(np.int64),
    "uint64, intercept -1024": stored(np.uint64, 1, -1024),
    "float32": stored(np.float32),
    "float64": stored(np.float64),
    "big-endian int16": stored(">i2"),
    "big-endian float64": stored(">f8"),
    "NIfTI-2": stored(np.int16, kind=nib.Nifti2Image),
}


@pytest.mark.parametrize(("case", "name"), spread(NUMBERS, OF_SCANS))
def test_types(case, name, tmp_path):
    path = NUMBERS[case](tmp_path / "scan.nii", small_hu())
    hu = nib.load(path).get_fdata()
    assert np.abs(hu - small_hu()).max() <= 8
    found = run(name, path, tmp_path / "out")
    expected = run(name, save(tmp_path / "scan.nii.gz", hu.astype(np.float32)), tmp_path / "expected")
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours.affine, theirs.affine, atol=1e-5)
        np.testing.assert_array_equal(np.asarray(ours.dataobj), np.asarray(theirs.dataobj))


def padded(value):
    """Outside of the round field of view."""

    def change(hu):
        x, y = np.indices(hu.shape[:2]) - 15.5
        return np.where((np.hypot(x, y) > 15)[:, :, None], value, hu)

    return change


def metal(hu):
    """A prosthesis on the extended scale."""
    hu[12:15, 12:15, 4:12] = 30000
    return hu


VALUES = {
    "padding of -2000": padded(-2000),
    "padding of -3024": padded(-3024),
    "beyond [-1024, 3071]": lambda hu: hu * 3,
    "metal": metal,
    "a crop without air": lambda hu: np.clip(hu, -150, None),
    "air and water": lambda hu: np.where(hu > -400, 0, -1000),
    "clipped to a window": lambda hu: np.clip(hu, -160, 240),
    "no noise": lambda hu: hu // 100 * 100,
    "much noise": lambda hu: hu + np.random.default_rng(0).normal(0, 400, hu.shape),
}


@pytest.mark.parametrize(("case", "name"), spread(VALUES, OF_SCANS, ("padding of -3024", "metal")))
def test_values(case, name, tmp_path):
    hu = np.rint(VALUES[case](small_hu())).astype(np.int16)
    path = save(tmp_path / "scan.nii.gz", hu)
    lesion = {"lesion": str(save(tmp_path / "mask.nii.gz", small_lesion()))} if "lesion" in name else {}
    for result in run(name, path, tmp_path / "out", **lesion):
        voxels = np.asarray(result.dataobj)
        assert np.isfinite(voxels).all()
        if voxels.dtype == np.int16 and voxels.shape == hu.shape:
            # What no part of the network can show is what it was: beyond the 12 bits of a scanner where all
            # HU are denoised, far outside of the region's window elsewhere.
            lower, upper = (-1700, 3800) if name == "ct_denoising" else (-700, 1500)
            far = (hu < lower) | (hu > upper)
            if name == "ct_lesion_inpainting":
                far &= small_lesion() == 0
            np.testing.assert_array_equal(voxels[far], hu[far])


def resized(shape):
    """The middle of the scan, or the scan with repeated voxels."""

    def change(array):
        sizes = zip(shape, array.shape, strict=True)
        axes = [np.arange(n) * m // n if n > m else np.arange(n) + (m - n) // 2 for n, m in sizes]
        return array[np.ix_(*axes)]

    return change


SHAPES = {
    "8 x 8 x 8": ((8, 8, 8), (30.0, 30.0, 30.0)),
    "20 slices": ((32, 32, 20), (10.0, 10.0, 10.0)),
    "600 slices": ((16, 16, 600), (20.0, 20.0, 1.5)),
    "odd sizes": ((33, 29, 17), (9.7, 9.7, 11.4)),
    "0.5 x 0.5 x 10 mm": ((64, 64, 8), (0.5, 0.5, 10.0)),
    "50 mm": ((16, 16, 16), (50.0, 50.0, 50.0)),
    "one trailing axis": ((32, 32, 16, 1), (9.7, 9.7, 11.4)),
    "two trailing axes": ((32, 32, 16, 1, 1), (9.7, 9.7, 11.4)),
}


@pytest.mark.parametrize(("case", "name"), spread(SHAPES, NAMES, ("600 slices", "odd sizes")))
def test_shapes(case, name, tmp_path):
    shape, spacing = SHAPES[case]
    array = small_anatomy() if name in OF_MAPS else small_hu()
    array = resized(shape[:3])(array).reshape(shape)
    path = save(tmp_path / "scan.nii.gz", array, plain_affine(spacing))
    options = {}
    if "lesion" in name:
        lesion = np.zeros(shape[:3], np.uint8)
        lesion[tuple(slice(n // 2 - 1, n // 2 + 1) for n in shape[:3])] = 1
        options["lesion"] = str(save(tmp_path / "mask.nii.gz", lesion, plain_affine(spacing)))
    if name == "ct_super_resolution":
        options["slice_thickness"] = spacing[2] / 2
    for result in run(name, path, tmp_path / "out", **options):
        factor = 2 if name == "ct_super_resolution" else 1
        assert result.shape == (*shape[:2], factor * shape[2])
        np.testing.assert_allclose(result.header.get_zooms()[:2], spacing[:2], rtol=1e-5)
        assert np.isfinite(np.asarray(result.dataobj)).all()


@pytest.mark.parametrize(
    "name", ["ct_denoising", "ct_super_resolution", "ct_synthesis", "ct_lesion_generation"]
)
def test_voxels_of_a_specimen(name, tmp_path):
    """0.05 mm: what is given in mm reaches over the whole volume."""
    affine = plain_affine((0.05, 0.05, 0.05))
    path = save(tmp_path / "scan.nii.gz", small_anatomy() if name in OF_MAPS else small_hu(), affine)
    options = {"slice_thickness": 0.02} if name == "ct_super_resolution" else {}
    if name == "ct_lesion_generation":
        options["lesion"] = str(save(tmp_path / "mask.nii.gz", small_lesion(), affine))
    for result in run(name, path, tmp_path / "out", **options):
        assert np.isfinite(np.asarray(result.dataobj)).all()
