"""A CT written as a DICOM series, read back by pydicom, by ITK and by MONAI."""

from __future__ import annotations

import json
import re
from pathlib import Path

import itk
import nibabel as nib
import numpy as np
import pydicom
import pytest
import torch
from monai.data import ITKReader, MetaTensor
from monai.transforms import Compose, Invertd, Orientationd

from meddiff_core.errors import InputError
from meddiff_core.transforms.load import LoadCTd
from meddiff_core.transforms.provenance import Provenance
from meddiff_core.transforms.save import SaveCTd
from meddiff_core.transforms.thin_slices import ThinSlicesd

BUNDLES = Path(__file__).parents[2] / "bundles"
PATIENT = {
    "PatientName": "Dö^Jané",
    "PatientID": "0815",
    "PatientBirthDate": "19500203",
    "AccessionNumber": "A77",
    "ReferringPhysicianName": "House^G",
    "InstitutionName": "Secret Hospital",
    "StudyDate": "20200102",
    "SpecificCharacterSet": "ISO_IR 192",
    "SeriesNumber": 4,
    "BodyPartExamined": "CHEST",
    "KVP": 120,
    "LossyImageCompression": "01",
    "LossyImageCompressionRatio": 7,
}


def save(image, folder, **options):
    """Write `image` as `pred`; the folder of the series."""
    options = {"output_format": "dicom", "postfix": "denoised"} | options
    SaveCTd(output_dir=folder, **options)({"pred": image})
    name = Path(image.meta["filename_or_obj"]).name.split(".")[0]
    return folder / f"{name}_{options['postfix']}"


def result(hu, affine, source="/data/scan.nii.gz", **meta):
    return MetaTensor(
        torch.as_tensor(hu)[None].float(), affine=affine, meta={"filename_or_obj": source} | meta
    )


def headers(folder):
    return [pydicom.dcmread(path) for path in sorted(folder.iterdir())]


def in_ras(array, affine):
    """Voxels and affine with the axes nearest to RAS, whatever they were."""
    image = nib.as_closest_canonical(
        nib.Nifti1Image(np.asarray(array, np.float32), np.asarray(affine, float))
    )
    return image.get_fdata(), image.affine


def by_pydicom(folder):
    slices = headers(folder)
    hu = np.stack([s.pixel_array.T * float(s.RescaleSlope) + float(s.RescaleIntercept) for s in slices], -1)
    row, column = np.array(slices[0].ImageOrientationPatient, float).reshape(2, 3)
    between_rows, between_columns = map(float, slices[0].PixelSpacing)
    first, second = (np.array(s.ImagePositionPatient, float) for s in slices[:2])
    lps = np.eye(4)
    lps[:3] = np.stack([row * between_columns, column * between_rows, second - first, first], axis=1)
    return hu, np.diag([-1, -1, 1, 1]) @ lps


def by_itk(folder):
    reader = ITKReader()
    array, meta = reader.get_data(reader.read(str(folder)))
    return array, meta["affine"]


def by_us(folder):
    image = LoadCTd()({"image": str(folder)})["image"]
    return image.numpy()[0], image.affine.numpy()


@pytest.mark.parametrize("read", [by_pydicom, by_itk, by_us])
def test_same_hu_and_place(read, tmp_path, hu, affine):
    hu[0, 0, 0], hu[-1, -1, -1] = -3024, 30710
    folder = save(result(hu, affine), tmp_path)
    got, expected = in_ras(*read(folder)), in_ras(hu, affine)
    assert np.array_equal(got[0], expected[0])
    assert np.allclose(got[1], expected[1], atol=1e-5)
    assert len(list(folder.iterdir())) == (hu.shape[2] if affine[2, 2] else hu.shape[1])


def test_nifti_becomes_axial_slices_as_they_are_shown(tmp_path, hu):
    slices = headers(save(result(hu, np.diag([0.5, 0.75, 2.0, 1.0])), tmp_path))
    assert np.array_equal(slices[0].ImageOrientationPatient, [1, 0, 0, 0, 1, 0])
    assert list(slices[0].PixelSpacing) == [0.75, 0.5]
    assert [s.ImagePositionPatient[2] for s in slices] == [2.0 * k for k in range(16)]
    assert [s.InstanceNumber for s in slices] == list(range(1, 17))
    assert np.array_equal(slices[3].pixel_array, hu[::-1, ::-1, 3].T)


def test_from_dicom_on_the_same_grid(tmp_path, hu, affine, save_dicom):
    source = save_dicom(tmp_path / "scan", hu, affine, SliceThickness=3.0)
    before = Compose([LoadCTd(), Orientationd("image", axcodes="RAS", labels=None)])
    item = before({"image": str(source)})
    item["pred"] = MetaTensor(item["image"].as_tensor().clone(), meta=dict(item["image"].meta))
    after = Compose(
        [Invertd("pred", before, orig_keys="image"), SaveCTd("pred", tmp_path, output_format="dicom")]
    )
    after(item)
    written = tmp_path / "scan_denoised"
    for (got, expected), atol in zip(zip(by_us(written), by_us(source), strict=True), (0, 1e-5), strict=True):
        np.testing.assert_allclose(got, expected, rtol=0, atol=atol)


def test_thinner_slices_lie_where_they_should(tmp_path, hu, save_dicom):
    affine = np.diag([-1.0, -1.0, 5.0, 1.0])
    affine[:3, 3] = (10, 12, -100)
    source = save_dicom(tmp_path / "scan", hu, affine, SliceThickness=5.0)
    before = Compose(
        [LoadCTd(), Orientationd("image", axcodes="RAS", labels=None), ThinSlicesd(slice_thickness=2.5)]
    )
    item = before({"image": str(source)})
    item["pred"] = item["image"]
    item = Invertd("pred", before, orig_keys="image")(item)
    slices = headers(save(item["pred"], tmp_path, postfix="superres", keep_identifiers=True))
    # the outer edges stay: -102.5 mm is the lower one
    assert [float(s.ImagePositionPatient[2]) for s in slices] == [-101.25 + 2.5 * k for k in range(32)]
    assert {(float(s.SliceThickness), float(s.SpacingBetweenSlices)) for s in slices} == {(2.5, 2.5)}
    sources = [s.SOPInstanceUID for s in headers(source)]
    references = [s.SourceImageSequence[0].ReferencedSOPInstanceUID for s in slices]
    assert references == [uid for uid in sources for _ in range(2)]


def test_header_of_what_has_no_source(tmp_path, hu):
    provenance = Provenance(BUNDLES / "ct_synthesis", {"seed": 3}, kind="synthetic")
    image = result(hu, np.eye(4), region="abdomen")
    slices = headers(save(image, tmp_path, postfix="synthetic", provenance=provenance))
    first = slices[0]
    assert first.file_meta.TransferSyntaxUID == pydicom.uid.ExplicitVRLittleEndian
    assert list(first.ImageType[:2]) == ["DERIVED", "SECONDARY"]
    assert re.fullmatch(r"ct_synthesis .*, seed 3, synthetic.*research use only", first.DerivationDescription)
    assert first.SeriesDescription == first.DerivationDescription[:64]
    assert "synthetic" in first.SeriesDescription
    assert first[0x0008001C].value == "YES"
    assert (first.WindowCenter, first.WindowWidth) == (60, 360)
    assert (first.PatientName, first.BodyPartExamined, first.Modality) == ("ANONYMOUS", "ABDOMEN", "CT")
    assert "PatientIdentityRemoved" not in first and "SourceImageSequence" not in first
    for keyword in ("SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID", "SeriesDescription"):
        assert len({getattr(s, keyword) for s in slices}) == 1
    assert len({s.SOPInstanceUID for s in slices}) == len(slices)
    assert all(s.SOPInstanceUID == s.file_meta.MediaStorageSOPInstanceUID for s in slices)
    record = json.loads((tmp_path / "scan_synthetic.json").read_text())
    assert (record["seed"], record["kind"]) == (3, "synthetic")
    again = headers(save(image, tmp_path / "again"))[0]
    assert again.SeriesInstanceUID != first.SeriesInstanceUID


@pytest.mark.parametrize("keep", [False, True, "true"])
def test_identifiers(keep, tmp_path, hu, save_dicom):
    source = save_dicom(tmp_path / "scan", hu, np.diag([-1.0, -1.0, 2.0, 1.0]), **PATIENT)
    image = LoadCTd()({"image": str(source)})["image"]
    folder = save(image, tmp_path, keep_identifiers=keep)
    old, new = headers(source)[3], headers(folder)[3]
    same = [k for k in PATIENT if new.get(k) == old.get(k)]
    assert {"BodyPartExamined", "KVP", "LossyImageCompression"} <= set(same)
    assert "InstitutionName" not in new
    assert new.SeriesInstanceUID != old.SeriesInstanceUID
    assert new.SeriesNumber == 1004
    if keep:
        assert {"PatientName", "PatientID", "PatientBirthDate", "AccessionNumber", "StudyDate"} <= set(same)
        assert new.StudyInstanceUID == old.StudyInstanceUID
        assert new.FrameOfReferenceUID == old.FrameOfReferenceUID
        assert new.SourceImageSequence[0].ReferencedSOPInstanceUID == old.SOPInstanceUID
        assert "PatientIdentityRemoved" not in new
    else:
        assert new.PatientIdentityRemoved == "YES"
        assert new.PatientName == new.PatientID == "ANONYMOUS"
        elements = [element for element in new.iterall() if element.VR != "OW"]
        texts = " ".join(str(element.value) for element in elements if element.VR != "UI")
        names = ("Jan", "0815", "House", "Secret", "A77", "19500203", "20200102")
        assert not [name for name in names if name in texts]
        known = {element.value for s in headers(source) for element in s if element.VR == "UI"}
        uids = {element.value for element in elements if element.VR == "UI"}
        assert known & uids == {pydicom.uid.CTImageStorage}


@pytest.mark.parametrize(
    "missing", ["PatientName", "StudyInstanceUID", "SliceThickness", "FrameOfReferenceUID"]
)
def test_a_poor_header_is_enough(missing, tmp_path, hu, save_dicom):
    source = save_dicom(tmp_path / "scan", hu, np.diag([-1.0, -1.0, 2.0, 1.0]))
    for path in source.iterdir():
        ds = pydicom.dcmread(path)
        delattr(ds, missing)
        ds.save_as(path)
    image = LoadCTd()({"image": str(source)})["image"]
    assert headers(save(image, tmp_path, keep_identifiers=True))[0].StudyInstanceUID


def test_masks_and_maps_stay_nifti(tmp_path, hu, caplog):
    with caplog.at_level("INFO", logger="meddiff"):
        save(result(hu * 0, np.eye(4)), tmp_path, dtype="uint8", postfix="mask")
    assert [path.name for path in tmp_path.iterdir()] == ["scan_mask.nii.gz"]
    assert "masks and maps stay NIfTI" in caplog.text


def test_a_sheared_grid_is_refused(tmp_path, hu):
    affine = np.diag([1.0, 1.0, 2.0, 1.0])
    affine[1, 2] = 0.1
    with pytest.raises(InputError, match="not at right angles"):
        save(result(hu, affine), tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_older_result_is_replaced_and_nothing_else(tmp_path, hu):
    folder = save(result(hu, np.eye(4)), tmp_path)
    save(result(hu[..., :9], np.eye(4)), tmp_path)
    assert len(list(folder.iterdir())) == 9
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="holds other files"):
        save(result(hu, np.eye(4)), tmp_path)
    assert len(list(folder.iterdir())) == 10
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_the_input_is_never_replaced(tmp_path, hu, save_dicom):
    source = save_dicom(tmp_path / "scan", hu, np.diag([-1.0, -1.0, 2.0, 1.0]))
    (tmp_path / "scan_denoised").symlink_to(source)
    with pytest.raises(InputError, match="the input itself"):
        save(LoadCTd()({"image": str(source)})["image"], tmp_path)
    assert len(list(source.iterdir())) == hu.shape[2]


def test_nothing_half_written_stays(tmp_path, hu, monkeypatch):
    def full_disk(self, path, **options):
        if Path(path).name == "IM0005.dcm":
            raise OSError(28, "No space left on device")
        Path(path).write_bytes(b"half")

    folder = save(result(hu[..., :9], np.eye(4)), tmp_path)
    monkeypatch.setattr(pydicom.dataset.FileDataset, "save_as", full_disk)
    with pytest.raises(InputError, match="No space left on device"):
        save(result(hu, np.eye(4)), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]
    assert len(by_us(folder)[0][0, 0]) == 9


@pytest.mark.parametrize("options", [{"output_format": "jpeg"}, {"keep_identifiers": "maybe"}])
def test_options(options):
    with pytest.raises(InputError, match=next(iter(options))):
        SaveCTd(**options)


def test_itk_finds_one_series(tmp_path, hu, affine):
    names = itk.GDCMSeriesFileNames.New(Directory=str(save(result(hu, affine), tmp_path)))
    assert len(names.GetSeriesUIDs()) == 1


def test_how_a_source_stores_its_pixels_is_no_matter(tmp_path, hu, save_dicom):
    """Of an inverse, padded source of 12 bits comes a series that says what it holds itself."""
    own = {"PhotometricInterpretation": "MONOCHROME1", "BitsStored": 12, "HighBit": 11, "RescaleType": "HU"}
    source = save_dicom(tmp_path / "scan", hu, np.diag([-1.0, -1.0, 2.0, 1.0]), **own)
    for path in source.iterdir():
        ds = pydicom.dcmread(path)
        ds.add_new("PixelPaddingValue", "US", int(hu[0, 0, 0]) + 1024)
        ds.save_as(path)
    image = LoadCTd()({"image": str(source)})["image"]
    assert image[0, 0, 0, 0] == -1024
    folder = save(image, tmp_path, keep_identifiers=True)
    header = headers(folder)[0]
    assert (header.PhotometricInterpretation, header.PixelRepresentation) == ("MONOCHROME2", 1)
    assert (header.BitsStored, header.HighBit, header.RescaleSlope, header.RescaleIntercept) == (16, 15, 1, 0)
    assert "PixelPaddingValue" not in header
    for read in (by_pydicom, by_itk, by_us):
        np.testing.assert_array_equal(in_ras(*read(folder))[0], in_ras(image[0], image.affine)[0])
