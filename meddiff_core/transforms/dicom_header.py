"""What the header of a derived CT says beside its grid: whose it is, where it comes from, how to show it."""

from __future__ import annotations

from datetime import datetime

from pydicom.dataset import Dataset, FileDataset, FileMetaDataset, validate_file_meta
from pydicom.uid import UID, CTImageStorage, generate_uid
from pydicom.valuerep import format_number_as_ds

import meddiff_core
from meddiff_core.conditions.regions import region_window

MODEL_NAME = "meddiff_core"
"""ManufacturerModelName of what is derived here."""
OWN_RESULT = "result of MedDiff-FM"
"""What a line that says what is left out calls it."""

# Of the modules Patient, Patient Study, General Study and Frame of Reference: who it is, and which visit.
_IDENTIFIERS = (
    *("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "PatientAge"),
    *("PatientSize", "PatientWeight", "StudyInstanceUID", "StudyDate", "StudyTime", "StudyID"),
    *("StudyDescription", "AccessionNumber", "ReferringPhysicianName", "FrameOfReferenceUID"),
    *("PositionReferenceIndicator", "SpecificCharacterSet"),
)
# What of the acquisition still holds for what was computed from it.
_ACQUISITION = ("PatientPosition", "BodyPartExamined", "KVP", "AcquisitionNumber")
_TYPE_2 = (
    *(
        "PatientName",
        "PatientID",
        "PatientBirthDate",
        "PatientSex",
        "AccessionNumber",
        "StudyID",
        "StudyDate",
    ),
    *("StudyTime", "ReferringPhysicianName", "PositionReferenceIndicator", *_ACQUISITION),
)
_LOSSY = ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod")
_BODY_PARTS = {"head_neck": "HEADNECK", "chest": "CHEST", "abdomen": "ABDOMEN"}
_SYNTHETIC_DATA = 0x0008001C  # SyntheticData, which dictionaries before 2023 do not know by name


def common_header(source: Dataset, description: str, region: str | None, identified: bool) -> Dataset:
    """What all slices of a derived CT share, but for their grid.

    Args:
        source: header of a slice that the CT was computed from; empty where it was none.
        description: says what it is; the word "synthetic" in it marks the series as synthetic data.
        region: whose HU window is the one to be shown first; None leaves it to the viewer.
        identified: True copies who it is and which visit; False names nobody and starts a new study.

    Returns:
        A data set with the attributes of types 1 and 2 of a CT image (PS3.3, A.3), the latter at times empty.
    """
    now = datetime.now()
    ds = Dataset()
    ds.SOPClassUID = CTImageStorage
    ds.ImageType = ["DERIVED", "SECONDARY", "AXIAL"]
    for keyword in _TYPE_2:
        setattr(ds, keyword, "")
    ds.StudyInstanceUID, ds.FrameOfReferenceUID = generate_uid(), generate_uid()
    if identified:
        _copy(source, ds, _IDENTIFIERS)
    else:
        ds.PatientName = ds.PatientID = "ANONYMOUS"
        ds.StudyDate, ds.StudyTime = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    if source and not identified:
        ds.PatientIdentityRemoved = "YES"
        ds.DeidentificationMethod = "New header, of the source only body part, position and kVp"
    _describe(ds, source, description, region)
    ds.SeriesDate = ds.ContentDate = ds.InstanceCreationDate = now.strftime("%Y%m%d")
    ds.SeriesTime = ds.ContentTime = ds.InstanceCreationTime = now.strftime("%H%M%S")
    ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = 1, 0, "HU"
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
    return ds


def _describe(ds: Dataset, source: Dataset, description: str, region: str | None) -> None:
    """Series, equipment, how it was derived, and what of the acquisition still holds."""
    ds.BodyPartExamined = _BODY_PARTS.get(region, "")
    _copy(source, ds, _ACQUISITION + (_LOSSY if source.get("LossyImageCompression") == "01" else ()))
    ds.Modality, ds.SeriesInstanceUID = "CT", generate_uid()
    ds.SeriesNumber = 1000 + int(source.get("SeriesNumber") or 0)  # after those of the scanner
    ds.SeriesDescription = description[:64]
    ds.DerivationDescription = description
    ds.ContentQualification = "RESEARCH"
    if "synthetic" in description:
        ds.add_new(_SYNTHETIC_DATA, "CS", "YES")
    ds.Manufacturer, ds.ManufacturerModelName = "MedDiff-FM", MODEL_NAME
    ds.SoftwareVersions = meddiff_core.__version__
    if region is not None:
        window = region_window(region)
        ds.WindowCenter, ds.WindowWidth = decimals(window.level, window.width)


def _copy(source: Dataset, target: Dataset, keywords: tuple[str, ...]) -> None:
    for keyword in keywords:
        if source.get(keyword) not in (None, ""):
            setattr(target, keyword, source.get(keyword))


def decimals(*values: float) -> list[str]:
    """Numbers as decimal strings of at most 16 characters; what is below 1e-10 is 0."""
    return [format_number_as_ds(round(float(value), 10) + 0.0) for value in values]


def new_file(ds: Dataset, syntax: UID) -> FileDataset:
    """What `save_as` writes as a whole DICOM file, with every version of pydicom.

    Args:
        ds: the attributes; SOPClassUID and SOPInstanceUID among them.
        syntax: the transfer syntax in which they are, of explicit value types and little-endian.
    """
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    meta.FileMetaInformationGroupLength = 0  # set on writing
    validate_file_meta(meta)
    return FileDataset(
        None, ds, preamble=bytes(128), file_meta=meta, is_implicit_VR=False, is_little_endian=True
    )
