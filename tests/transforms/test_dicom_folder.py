"""What a folder holds beside the slices of a CT is named, and no slice is ever lost."""

from __future__ import annotations

import shutil

import numpy as np
import pydicom
import pytest
from dicom_series import AFFINE, change, files, load, refused
from pydicom.data import get_testdata_file
from pydicom.uid import CTImageStorage, ImplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

from meddiff_core.errors import InputError
from meddiff_core.transforms.dicom import find_series
from meddiff_core.transforms.dicom_files import holds_dicom
from meddiff_core.transforms.save_dicom import save_series
from meddiff_core.transforms.scans import list_scans

REPORT = "1.2.840.10008.5.1.4.1.1.88.11"
DICOMDIR = get_testdata_file("DICOMDIR", download=False)
NO_IMAGE = {"Rows": None, "Columns": None, "PixelData": None}


def of_bytes(content):
    return lambda path, folder: path.write_bytes(content)


def of_slice(**attributes):
    """A file of another series, made from a slice."""

    def write(path, folder):
        shutil.copy(files(folder)[0], path)
        change(path, **({"SeriesInstanceUID": generate_uid(), "SOPInstanceUID": generate_uid()} | attributes))

    return write


def derived(path, folder):
    """A result of this program that was sent into the same study."""
    hu = np.zeros((20, 24, 2), np.int16)
    save_series(hu, AFFINE, path.with_name("derived"), folder, "denoised", keep_identifiers=True)
    (path.with_name("derived") / "IM0001.dcm").rename(path)
    shutil.rmtree(path.with_name("derived"))


BESIDE = {
    "notes.txt": (of_bytes(b"no DICOM"), "no DICOM"),
    "photo.jpg": (of_bytes(b"\xff\xd8\xff\xe0" + bytes(200)), "no DICOM"),
    "scan.nii.gz": (of_bytes(b"\x1f\x8b" + bytes(200)), "no DICOM"),
    "nothing": (of_bytes(b""), "empty"),
    "link.dcm": (lambda path, folder: path.symlink_to(folder / "moved"), "empty"),
    "more": (lambda path, folder: path.mkdir(), "folder"),
    "DICOMDIR": (lambda path, folder: shutil.copy(DICOMDIR, path), "no image"),
    "report": (of_slice(SOPClassUID=REPORT, Modality="SR", **NO_IMAGE), "no image"),
    "scout": (of_slice(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), "localizer"),
    "dose": (of_slice(SOPClassUID=SecondaryCaptureImageStorage, ImagePositionPatient=None), "screen capture"),
    "3d.dcm": (of_slice(SamplesPerPixel=3, PhotometricInterpretation="RGB"), "in colours"),
    "pet": (of_slice(Modality="PT"), "modality PT"),
    "denoised.dcm": (derived, "result of MedDiff-FM"),
}


@pytest.mark.parametrize("name", BESIDE)
def test_what_lies_beside_is_named(name, series, hu, caplog):
    write, kind = BESIDE[name]
    write(series / name, series)
    image = load(series)
    assert np.array_equal(image.numpy()[0], hu)
    assert caplog.messages == [f"{series}: slices read: 16, left out: 1, namely {name} ({kind})."]


def test_all_that_lies_beside_is_one_line(series, caplog):
    for name, (write, _) in BESIDE.items():
        write(series / name, series)
    (series / ".DS_Store").write_bytes(b"hidden")
    load(series)
    (line,) = caplog.messages
    assert f"slices read: 16, left out: {len(BESIDE)}, namely" in line
    assert "notes.txt, photo.jpg, scan.nii.gz (no DICOM)" in line


def test_many_names_are_cut_short(series, caplog):
    for number in range(9):
        (series / f"page{number}.html").write_bytes(b"<html>")
    load(series)
    assert "page0.html, page1.html, page2.html and 6 more (no DICOM)" in caplog.text


def emptied(paths):
    for path in paths:
        path.write_bytes(b"")


def of_a_portal(paths):
    for path in paths:
        path.write_bytes(b"<html>Please log in</html>")


def moved_away(paths):
    for path in paths:
        path.unlink()
        path.symlink_to(path.parent / "moved")


@pytest.mark.parametrize("lose", [emptied, of_a_portal, moved_away])
@pytest.mark.parametrize("which", [slice(13, 16), slice(0, 2), slice(7, 8)], ids=["end", "start", "middle"])
def test_a_lost_slice_is_missed(lose, which, series):
    lost = files(series)[which]
    lose(lost)
    sentence = refused(series)
    assert "has lost slices" in sentence
    assert all(path.name in sentence for path in lost)


def test_nothing_but_lost_slices(series):
    emptied(files(series))
    assert not holds_dicom(series)
    with pytest.raises(InputError, match=r"holds no CT, but .*_000.dcm, .* and 13 more \(no volume\)"):
        list_scans(series)


def test_a_slice_that_is_cut_short_anywhere(series):
    path = files(series)[15]
    content = path.read_bytes()
    pixels = len(content) - 20 * 24 * 2
    for size in (*range(0, pixels, 7), pixels, pixels + 1, len(content) - 1):
        path.write_bytes(content[:size])
        assert path.name in refused(series), size


def without_mark(path):
    path.write_bytes(path.read_bytes()[132:])


def bare(path):
    """The image alone: neither the mark nor a description of the file."""
    content = path.read_bytes()[132:]
    path.write_bytes(content[12 + int.from_bytes(content[8:12], "little") :])


def implicit(path):
    """As bare, without the types of values, as the oldest files are."""
    ds = pydicom.dcmread(path)
    ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    ds.save_as(path, implicit_vr=True)
    bare(path)


@pytest.mark.parametrize("which", [slice(None), slice(4, 8), slice(12, 16)], ids=["all", "middle", "end"])
@pytest.mark.parametrize("strip", [without_mark, bare, implicit])
def test_files_without_the_mark_of_dicom(strip, which, series, hu):
    for path in files(series)[which]:
        strip(path)
    assert holds_dicom(series)
    image = load(series)
    assert np.array_equal(image.numpy()[0], hu)
    assert np.allclose(image.affine, AFFINE, atol=1e-6)


def test_derived_from_files_without_the_mark(series, hu, tmp_path):
    for path in files(series):
        bare(path)
    save_series(hu, load(series).affine.numpy(), tmp_path / "out", series, "denoised", keep_identifiers=True)
    image = load(tmp_path / "out")
    assert np.array_equal(image.numpy()[0], hu)
    assert np.allclose(image.affine, AFFINE, atol=1e-6)


def test_a_folder_of_results_alone_is_read(series, hu, tmp_path, caplog):
    save_series(hu, load(series).affine.numpy(), tmp_path / "out", series, "denoised")
    caplog.clear()
    assert np.array_equal(load(tmp_path / "out").numpy()[0], hu)
    assert not caplog.messages


def test_two_series_are_named(series, hu, save_dicom):
    save_dicom(series, hu, AFFINE, SeriesDescription="Lung")
    sentence = refused(series)
    assert "holds 2 DICOM series" in sentence
    assert "'Thorax' with 16 slices" in sentence and "'Lung' with 16 slices" in sentence


def test_a_folder_without_images_is_no_scan(series, tmp_path, caplog):
    study = tmp_path / "study"
    (study / "reports").mkdir(parents=True)
    shutil.move(series, study / "ct")
    report, _ = BESIDE["report"]
    report(study / "reports" / "sr", study / "ct")
    shutil.copy(DICOMDIR, study / "DICOMDIR")
    assert not holds_dicom(study)
    assert [item["image"] for item in list_scans(study)] == [str(study / "ct")]
    assert f"{study}: scans taken: 1, left out: 2, namely DICOMDIR, reports (no volume)." in caplog.text
    with pytest.raises(InputError, match=r"no slices of a CT in DICOM, but sr \(no image\)"):
        find_series(study / "reports")


def test_a_damaged_image_without_anything_that_tells(series):
    change(files(series)[4], SOPClassUID=CTImageStorage, **NO_IMAGE)
    assert "its DICOM header is damaged" in refused(series)


def rounded(spacing, kept=range(16), numbered=True):
    """Positions in whole mm of slices `spacing` apart."""

    def write(series):
        for k, path in enumerate(files(series)):
            if k not in kept:
                path.unlink()
                continue
            position = ["-70", "-80", str(round(-300 + k * spacing))]
            change(path, ImagePositionPatient=position, InstanceNumber=k + 1 if numbered else None)

    return write


@pytest.mark.parametrize("spacing", [1.25, 1.4, 2.5, 3.3])
def test_positions_in_whole_mm(spacing, series, hu, caplog):
    rounded(spacing)(series)
    image = load(series)
    assert np.array_equal(image.numpy()[0], hu)
    assert image.affine[2, 2] == pytest.approx(spacing, abs=0.06)
    (line,) = caplog.messages
    assert "positions of the slices are rounded to whole mm" in line


@pytest.mark.parametrize(
    ("spacing", "kept", "numbered", "words"),
    [
        (1.25, range(16), False, "rounded to whole mm, or slices are missing"),
        (1.25, [k for k in range(16) if k != 7], True, "rounded to whole mm, or slices are missing"),
        (1.0, [k for k in range(16) if k != 7], True, "slices are missing between z = -294.0 and -292.0 mm"),
        (2.5, [k for k in range(16) if k not in (5, 6)], True, "slices are missing between z = -290"),
        (0.6, range(16), True, "several slices at the same place"),
    ],
)
def test_rounding_hides_no_missing_slice(spacing, kept, numbered, words, series):
    rounded(spacing, kept, numbered)(series)
    assert words in refused(series)
