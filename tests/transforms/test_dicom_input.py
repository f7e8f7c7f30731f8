"""DICOM series as input: what is read right, and what is refused in one sentence."""

from __future__ import annotations

import logging
import shutil

import itk
import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import JPEG2000, generate_uid

from meddiff_core.errors import InputError
from meddiff_core.transforms.dicom import find_series
from meddiff_core.transforms.dicom_files import holds_dicom
from meddiff_core.transforms.load import LoadCTd
from meddiff_core.transforms.scans import list_scans

SPACING = (0.7, 0.8, 2.5)
AFFINE = np.diag([-SPACING[0], -SPACING[1], SPACING[2], 1.0])
AFFINE[:3, 3] = (70, 80, -300)
ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
REPORT = "1.2.840.10008.5.1.4.1.1.88.11"


def load(folder):
    return LoadCTd()({"image": str(folder)})["image"]


def change(path, **attributes):
    """Set attributes of a DICOM file; a function makes the new value from the old one."""
    ds = pydicom.dcmread(path)
    for keyword, value in attributes.items():
        value = value(getattr(ds, keyword)) if callable(value) else value
        delattr(ds, keyword) if value is None else setattr(ds, keyword, value)
    ds.save_as(path)


def moved(offset):
    """A function that shifts a position by mm in LPS."""
    return lambda position: [f"{p + o:.6g}" for p, o in zip(position, offset, strict=True)]


@pytest.fixture
def series(tmp_path, hu, save_dicom):
    """Folder with 16 slices, 2.5 mm apart."""
    return save_dicom(tmp_path / "series", hu, AFFINE, SeriesDescription="Thorax")


def files(folder):
    return sorted(folder.iterdir())


def refused(folder) -> str:
    with pytest.raises(InputError) as caught:
        load(folder)
    sentence = str(caught.value)
    assert sentence.startswith(str(folder))
    assert "\n" not in sentence
    return sentence


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
    assert "only localizers or screen captures" in refused(series)


def test_other_objects_may_lie_beside(series, hu, save_dicom, caplog):
    first = files(series)[0]
    for name, uid, attributes in [
        ("report", REPORT, {"Rows": None, "Columns": None, "PixelData": None, "Modality": "SR"}),
        ("scout", None, {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}),
        ("dose", "1.2.840.10008.5.1.4.1.1.7", {"ImagePositionPatient": None}),
        ("pet", None, {"Modality": "PT"}),
    ]:
        shutil.copy(first, series / name)
        own = {"SeriesInstanceUID": generate_uid(), "SOPInstanceUID": generate_uid()}
        change(series / name, **(own | ({"SOPClassUID": uid} if uid else {}) | attributes))
    shutil.copy(get_testdata_file("DICOMDIR", download=False), series / "DICOMDIR")
    (series / "notes.txt").write_text("no DICOM")
    with caplog.at_level(logging.INFO, logger="meddiff"):
        image = load(series)
    assert np.array_equal(image.numpy()[0], hu)
    assert "left out 5 files" in caplog.text


def test_a_folder_without_images_is_no_scan(series, tmp_path):
    study = tmp_path / "study"
    (study / "reports").mkdir(parents=True)
    shutil.move(series, study / "ct")
    shutil.copy(files(study / "ct")[0], study / "reports" / "sr")
    change(study / "reports" / "sr", Rows=None, Columns=None, PixelData=None, Modality="SR")
    shutil.copy(get_testdata_file("DICOMDIR", download=False), study / "DICOMDIR")
    assert not holds_dicom(study)
    assert [item["image"] for item in list_scans(study)] == [str(study / "ct")]
    with pytest.raises(InputError, match="no DICOM series"):
        find_series(study / "reports")


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
    assert "a file of it is damaged" in refused(series)
    for path in files(series):
        ds = pydicom.dcmread(path)
        ds.file_meta.TransferSyntaxUID = JPEG2000
        ds.PixelData = pydicom.encaps.encapsulate([b"no picture  "])
        ds["PixelData"].VR = "OB"
        ds.save_as(path)
    assert "compressed as JPEG 2000" in refused(series)


def test_damaged_header(series):
    path = files(series)[4]
    path.write_bytes(path.read_bytes()[:180])
    assert holds_dicom(series)
    with pytest.raises(InputError):
        load(series)


class TestMultiFrame:
    """Enhanced CT: one file, whose frames say where they lie."""

    ORDER = [3, 1, 2, 0, 4, 9, 5, 8, 6, 7, 15, 14, 13, 12, 11, 10]

    @pytest.fixture
    def write(self, tmp_path, hu, save_dicom):
        source = files(save_dicom(tmp_path / "slices", hu, AFFINE))

        def save(folder, scales=((1, -1024),), sop_class=ENHANCED_CT):
            slices = [pydicom.dcmread(source[k]) for k in self.ORDER]
            ds = slices[0]
            frames = [one("PlanePosition", ImagePositionPatient=s.ImagePositionPatient) for s in slices]
            for k, frame in enumerate(frames):
                slope, intercept = scales[k % len(scales)]
                scale = one("PixelValueTransformation", RescaleSlope=slope, RescaleIntercept=intercept)
                frame.update(scale)
            shared = one("PlaneOrientation", ImageOrientationPatient=ds.ImageOrientationPatient)
            shared.update(one("PixelMeasures", PixelSpacing=ds.PixelSpacing))
            pixels = b"".join(s.PixelData for s in slices)
            for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
                delattr(ds, keyword)
            del ds.RescaleSlope, ds.RescaleIntercept
            ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = sop_class
            ds.NumberOfFrames, ds.PixelData = len(frames), pixels
            ds.SharedFunctionalGroupsSequence, ds.PerFrameFunctionalGroupsSequence = [shared], frames
            folder.mkdir(exist_ok=True)
            ds.save_as(folder / f"{len(files(folder))}.dcm")
            return folder

        return save

    @pytest.mark.parametrize("sop_class", [ENHANCED_CT, f"{ENHANCED_CT[:-1]}2"])
    def test_frames_in_any_order(self, write, tmp_path, hu, sop_class):
        image = load(write(tmp_path / "enhanced", sop_class=sop_class))
        assert np.array_equal(image.numpy()[0], hu)
        assert np.allclose(image.affine, AFFINE, atol=1e-6)

    def test_what_cannot_be_read_right(self, write, tmp_path):
        with pytest.raises(InputError, match="scales its frames differently"):
            load(write(tmp_path / "scales", scales=((1, -1024), (2, -1024))))
        write(tmp_path / "two")
        assert "2 multi-frame files" in refused(write(tmp_path / "two"))


def one(name, **attributes) -> Dataset:
    """A functional group."""
    item, groups = Dataset(), Dataset()
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    setattr(groups, f"{name}Sequence", [item])
    return groups


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
