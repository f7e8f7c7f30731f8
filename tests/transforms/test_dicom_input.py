"""DICOM series as input: what is read right, and what is refused in one sentence."""

from __future__ import annotations

import shutil

import itk
import numpy as np
import pydicom
import pytest
from dicom_series import AFFINE, ENHANCED_CT, change, files, load, moved, refused, save_frames
from pydicom.data import get_testdata_file
from pydicom.uid import JPEG2000, generate_uid

from meddiff_core.errors import InputError
from meddiff_core.transforms.dicom import find_series


def test_the_order_of_the_files_does_not_matter(series, hu):
    names = files(series)
    for number, path in enumerate(np.random.default_rng(1).permutation(len(names))):
        names[path].rename(series / f"moved{number}")
    image = load(series)
    assert np.array_equal(image.numpy()[0], hu)
    assert np.allclose(image.affine, AFFINE, atol=1e-6)


def test_each_slice_has_its_own_rescale(series, hu):
    for k, path in enumerate(files(series)):
        if k >= 8:
            change(path, RescaleSlope="0.5", RescaleIntercept="-1000.25")
    expected = hu.astype(np.float32)
    expected[..., 8:] = (expected[..., 8:] + 1024) * 0.5 - 1000.25
    assert np.array_equal(load(series).numpy()[0], expected)


@pytest.mark.parametrize("digits", [1, 2, 4])
def test_positions_and_directions_that_are_rounded(digits, tmp_path, hu, affine, save_dicom):
    folder = save_dicom(tmp_path / "s", hu, affine)
    exact = load(folder).affine
    for path in files(folder):
        change(
            path,
            ImagePositionPatient=lambda p: [f"{v:.{digits}f}" for v in p],
            ImageOrientationPatient=lambda o: [f"{v:.{max(4, digits)}f}" for v in o],
        )
    assert np.abs((load(folder).affine - exact).numpy()).max() < 0.06


def test_missing_slices_are_named(series):
    files(series)[5].unlink()
    assert "slices are missing between z = -290.0 and -285.0 mm, while the others are 2.5 mm" in refused(
        series
    )


def test_uneven_slices(series):
    for k, path in enumerate(files(series)):
        change(path, ImagePositionPatient=moved((0, 0, 0.03 * k**2)))
    assert "uneven slices, 2.53 to 3.37 mm apart" in refused(series)


def test_two_slices_at_one_place(series):
    copied = series / "copy.dcm"
    shutil.copy(files(series)[3], copied)
    assert "1 times, for example at z = -292.5 mm" in refused(series)
    change(copied, ImagePositionPatient=moved((0, 0, 2.5 * 13)))  # now an additional slice at the end
    assert load(series).shape[-1] == 17


@pytest.mark.parametrize(
    ("per_slice", "words"), [(0.67, "gantry tilt of 15.0 degrees"), (0.02, "tilt of 0.5")]
)
def test_tilted_gantry(per_slice, words, series):
    for k, path in enumerate(files(series)):
        change(path, ImagePositionPatient=moved((0, per_slice * k, 0)))
    assert words in refused(series)


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"ImageOrientationPatient": [1, 0, 0, 0, 0, -1]}, "different directions"),
        ({"PixelSpacing": [0.9, 0.9]}, "pixels of 0.7 and 0.9 mm"),
        ({"Rows": 20, "PixelData": lambda data: data[: 20 * 20 * 2]}, "20 x 24 and 20 x 20 pixels"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "slices are missing"),
    ],
)
def test_mixed_slices(attributes, words, series):
    change(files(series)[8], **attributes)
    assert words in refused(series)


def test_what_does_not_say_where_it_lies(series):
    for path in files(series):
        change(path, ImagePositionPatient=None)
    with pytest.raises(InputError, match="does not say where its image lies"):
        load(series)
    for path in files(series):
        change(path, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    assert "no slices of a CT in DICOM, but" in (sentence := refused(series))
    assert "and 13 more (localizer): give the folder" in sentence


def test_lossless_jpeg_is_read(tmp_path, hu, save_dicom):
    folder = save_dicom(tmp_path / "s", hu, AFFINE)
    with open(get_testdata_file("MR_small_jp2klossless.dcm", download=False), "rb") as file:
        compressed = pydicom.dcmread(file)
    plain = pydicom.dcmread(get_testdata_file("MR_small.dcm", download=False)).pixel_array
    compressed.Modality = "CT"
    compressed.RescaleSlope, compressed.RescaleIntercept = 1, -1024
    for k, path in enumerate(files(folder)):
        compressed.ImagePositionPatient = [0, 0, 2.0 * k]
        compressed.SOPInstanceUID = generate_uid()
        compressed.save_as(path)
    assert np.array_equal(load(folder).numpy()[0, :, :, 5], plain.T - 1024.0)


def test_what_cannot_be_decoded(series):
    path = files(series)[4]
    content = path.read_bytes()
    path.write_bytes(content[:-300])
    sentence = refused(series)
    assert sentence.startswith(str(path)) and "pixels are damaged or cut short" in sentence
    for path in files(series):
        ds = pydicom.dcmread(path)
        ds.file_meta.TransferSyntaxUID = JPEG2000
        ds.PixelData = pydicom.encaps.encapsulate([b"no picture  "])
        ds["PixelData"].VR = "OB"
        ds.save_as(path)
    assert "compressed as JPEG 2000" in refused(series)


class TestMultiFrame:
    """Enhanced CT: one file, whose frames say where they lie."""

    ORDER = [3, 1, 2, 0, 4, 9, 5, 8, 6, 7, 15, 14, 13, 12, 11, 10]

    @pytest.mark.parametrize("sop_class", [ENHANCED_CT, f"{ENHANCED_CT[:-1]}2"])
    def test_frames_in_any_order(self, series, tmp_path, hu, sop_class):
        sources = [files(series)[k] for k in self.ORDER]
        image = load(save_frames(sources, tmp_path / "enhanced", sop_class))
        assert np.array_equal(image.numpy()[0], hu)
        assert np.allclose(image.affine, AFFINE, atol=1e-6)

    def test_two_files(self, series, tmp_path):
        save_frames(files(series), tmp_path / "two")
        assert "2 multi-frame files" in refused(save_frames(files(series), tmp_path / "two"))


def test_itk_agrees(tmp_path, hu, affine, save_dicom):
    folder = save_dicom(tmp_path / "s", hu, affine)
    ours = load(folder)
    theirs = itk.imread([s.path for s in find_series(folder).slices])
    assert np.array_equal(itk.array_from_image(theirs).T, ours.numpy()[0])
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ ours.affine.numpy()
    assert np.allclose(theirs.GetOrigin(), lps[:3, 3], atol=1e-5)
    directions = itk.array_from_matrix(theirs.GetDirection()) * np.array(theirs.GetSpacing())
    assert np.allclose(directions, lps[:3, :3], atol=1e-5)


def test_a_value_that_is_no_number(series):
    path = files(series)[4]
    data = path.read_bytes()
    position = pydicom.dcmread(path).ImagePositionPatient
    text = "\\".join(str(number) for number in position).encode()
    assert text in data
    path.write_bytes(data.replace(text, b"x" * len(text)))
    with pytest.raises(InputError):
        load(series)
