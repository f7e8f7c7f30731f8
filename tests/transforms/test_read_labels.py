"""Anatomy maps as people have them: with names in the header, or a mask per organ."""

import itk
import nibabel as nib
import numpy as np
import pydicom
import pytest

from meddiff_core.conditions.vocabulary import BODY, find_label, label_id
from meddiff_core.errors import InputError
from meddiff_core.transforms.load import LoadCTd, LoadMasksd
from meddiff_core.transforms.read_labels import read_labels
from meddiff_core.transforms.scans import list_scans

SHAPE = (10, 9, 8)


def blocks(**labels):
    """uint8 map: two planes for each value, in order."""
    array = np.zeros(SHAPE, np.uint8)
    for n, value in enumerate(labels.values()):
        array[2 * n : 2 * n + 2] = value
    return array


def with_table(path, array, names):
    """As TotalSegmentator writes it: a label table in the header's extension."""
    entries = "".join(f'<Label Key="{k}" Red="1"><![CDATA[{name}]]></Label>' for k, name in names.items())
    table = f"<CaretExtension><LabelTable>{entries}</LabelTable></CaretExtension>"
    xml = f'<?xml version="1.0" encoding="UTF-8"?>{table}'
    image = nib.Nifti1Image(array, np.eye(4))
    image.header.extensions.append(nib.nifti1.Nifti1Extension(0, xml.encode()))
    nib.save(image, path)
    return path


def with_segments(path, array, names):
    """As 3D Slicer writes it: a `.seg.nrrd`; names are (name, id)."""
    image = itk.image_from_array(np.ascontiguousarray(array.T))
    fields = image.GetMetaDataDictionary()
    for n, (value, (name, identity)) in enumerate(names.items()):
        fields[f"Segment{n}_LabelValue"] = str(value)
        fields[f"Segment{n}_Name"], fields[f"Segment{n}_ID"] = name, identity
    itk.imwrite(image, str(path))
    return path


def values(path):
    return set(np.unique(read_labels(path, "The map")).astype(int).tolist())


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("liver", "liver"),
        ("Right kidney", "kidney_right"),
        ("vertebrae_L1", "vertebrae_L1"),
        ("rib-left-11", "rib_left_11"),
        ("heart_atrium_left", "heart"),
        ("Segment_1", None),
    ],
)
def test_names_however_written(name, label):
    assert find_label(name) == (label_id(label) if label else None)


class TestNamesInTheHeader:
    def test_other_numbers_are_translated(self, tmp_path, caplog):
        array = blocks(a=13, b=15, c=44)
        names = {13: "lung_upper_lobe_left", 15: "lung_upper_lobe_right", 44: "heart_myocardium", 90: "face"}
        with caplog.at_level("INFO", logger="meddiff"):
            assert values(with_table(tmp_path / "v1.nii.gz", array, names)) == {0, 10, 12, label_id("heart")}
        assert "by the names in its header" in caplog.text

    def test_segments_of_slicer(self, tmp_path):
        names = {1: ("right kidney", "Segment_1"), 2: ("Leber", "liver")}
        path = with_segments(tmp_path / "m.seg.nrrd", blocks(a=1, b=2), names)
        assert values(path) == {0, label_id("kidney_right"), label_id("liver")}

    def test_own_numbers_stay(self, tmp_path, caplog):
        path = with_table(tmp_path / "v2.nii.gz", blocks(a=5, b=118), {5: "liver"})
        with caplog.at_level("INFO", logger="meddiff"):
            assert values(path) == {0, 5, 118}
        assert not caplog.text

    def test_the_spleen_alone(self, tmp_path):
        assert values(with_table(tmp_path / "m.nii.gz", blocks(a=1), {1: "spleen"})) == {0, 1}

    def test_unknown_names_are_tissue_of_the_body(self, tmp_path, caplog):
        path = with_table(tmp_path / "m.nii.gz", blocks(a=5, b=49), {5: "colon", 49: "pulmonary_artery"})
        assert values(path) == {0, label_id("colon"), BODY}
        assert "the vocabulary has no pulmonary_artery" in caplog.text

    @pytest.mark.parametrize(
        ("names", "words"),
        [
            ({1: "tumour", 2: "cyst"}, "tumour, cyst, of which the vocabulary has none"),
            ({1: "liver"}, "no name for 2"),
        ],
    )
    def test_names_that_do_not_help(self, names, words, tmp_path):
        with pytest.raises(InputError, match=words):
            values(with_table(tmp_path / "m.nii.gz", blocks(a=1, b=2), names))

    def test_a_damaged_table_is_none(self, tmp_path):
        image = nib.Nifti1Image(blocks(a=5, b=6), np.eye(4))
        image.header.extensions.append(nib.nifti1.Nifti1Extension(0, b"<CaretExtension><LabelTable><Label"))
        nib.save(image, tmp_path / "m.nii.gz")
        assert values(tmp_path / "m.nii.gz") == {0, 5, 6}

    def test_layers_of_segments(self, tmp_path):
        header = (
            "NRRD0004\ntype: unsigned char\ndimension: 4\nspace: left-posterior-superior\nsizes: 2 8 8 8\n"
            "space directions: none (1,0,0) (0,1,0) (0,0,1)\nkinds: list domain domain domain\n"
            "encoding: raw\nspace origin: (0,0,0)\nSegment0_LabelValue:=1\nSegment0_Name:=liver\n"
            "Segment1_LabelValue:=1\nSegment1_Name:=tumour\n\n"
        )
        (tmp_path / "m.seg.nrrd").write_bytes(header.encode() + bytes(2 * 8**3))
        with pytest.raises(InputError, match=r"several segments, .*\(liver, tumour\): in 3D Slicer, export"):
            values(tmp_path / "m.seg.nrrd")

    def test_no_scan(self, tmp_path):
        path = with_table(tmp_path / "m.nii.gz", blocks(a=5), {5: "liver"})
        with pytest.raises(InputError, match=r"is a label map \(liver\), not a CT"):
            LoadCTd()({"image": path})


@pytest.fixture
def organs(tmp_path, save_nifti):
    """A folder as TotalSegmentator writes it, with one mask that overlaps another and one that is empty."""

    def make(folder="segmentations", **others):
        full = np.zeros(SHAPE, np.uint8)
        full[1:9] = 1
        masks = {"body": full, "liver": full.copy(), "gallbladder": full.copy(), "spleen": full * 0} | others
        masks["liver"][6:] = 0
        masks["gallbladder"][:5] = 0
        masks["gallbladder"][7:] = 0
        (tmp_path / folder).mkdir(parents=True)
        for name, mask in masks.items():
            save_nifti(tmp_path / folder / f"{name}.nii.gz", mask)
        return tmp_path / folder

    return make


class TestMaskPerOrgan:
    def test_joined_the_smaller_counts(self, organs, caplog):
        labels = np.asarray(read_labels(organs(), "The map"))[0, :, 0, 0]
        liver, gallbladder = label_id("liver"), label_id("gallbladder")
        assert labels.tolist() == [0, *[liver] * 4, *[gallbladder] * 2, BODY, BODY, 0]
        assert f"{9 * 8} voxels lie in several masks" in caplog.text

    def test_beside_other_files(self, organs, caplog):
        read_labels(organs(tumour=np.ones(SHAPE, np.uint8)), "The map")
        assert "has no tumour.nii.gz: left out" in caplog.text

    def test_of_several_values(self, organs):
        mask = blocks(a=1, b=2)
        with pytest.raises(InputError, match=r"stomach.nii.gz of stomach holds several values"):
            read_labels(organs(stomach=mask), "The map")

    def test_of_several_grids(self, organs):
        with pytest.raises(InputError, match=r"stomach.nii.gz is on another grid: .*, the first mask has"):
            read_labels(organs(stomach=np.ones((8, 8, 8), np.uint8)), "The map")

    def test_a_mask_named_by_its_file(self, tmp_path, save_nifti):
        assert values(save_nifti(tmp_path / "liver.nii.gz", blocks(a=1))) == {0, label_id("liver")}
        with pytest.raises(InputError, match=r"a mask of 0 and 1, which says no organ: .*--ml"):
            values(save_nifti(tmp_path / "case7.nii.gz", blocks(a=1)))

    @pytest.mark.parametrize(
        ("folder", "scans", "found"),
        [
            ("segmentations", ["a"], "segmentations"),
            ("maps/a", ["a"], "maps/a"),
            ("maps/a/segmentations", ["a"], "maps/a"),
        ],
    )
    def test_beside_scans(self, folder, scans, found, organs, tmp_path, save_nifti):
        organs(folder)
        paths = [save_nifti(tmp_path / f"{name}.nii.gz", np.zeros(SHAPE, np.int16)) for name in scans]
        (item,) = list_scans(paths, anatomy=tmp_path / folder.split("/")[0])
        assert item["anatomy"] == str(tmp_path / found)
        assert BODY in values(tmp_path / found)

    def test_one_folder_for_two_scans(self, organs, tmp_path, save_nifti):
        paths = [save_nifti(tmp_path / f"{name}.nii.gz", np.zeros(SHAPE, np.int16)) for name in "ab"]
        with pytest.raises(InputError, match=r"no anatomy map named a: .*--ml"):
            list_scans(paths, anatomy=organs())

    def test_as_maps_of_their_own(self, organs, tmp_path):
        one, two = organs("maps/one"), organs("maps/two/segmentations").parent
        assert [item["image"] for item in list_scans(one, maps=True)] == [str(one)]
        assert [item["image"] for item in list_scans(tmp_path / "maps", maps=True)] == [str(one), str(two)]


@pytest.mark.parametrize(("modality", "words"), [("SEG", "segmentation"), ("RTSTRUCT", "structure set")])
def test_dicom_objects_are_named(modality, words, tmp_path, hu, save_nifti):
    file = tmp_path / "masks" / "1.dcm"
    file.parent.mkdir()
    ds = pydicom.Dataset()
    ds.Modality, ds.SOPClassUID, ds.SOPInstanceUID = modality, "1.2.3", "1.2.3.4"
    ds.file_meta = pydicom.dataset.FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    ds.save_as(file, enforce_file_format=True)
    scan = save_nifti(tmp_path / "scan.nii.gz", hu)
    with pytest.raises(InputError, match=f"is a DICOM {words}"):
        LoadMasksd("lesion")(LoadCTd()({"image": scan, "lesion": str(file)}))
    with pytest.raises(InputError, match=f"is a DICOM {words}"):
        list_scans(scan, lesion=file.parent)
