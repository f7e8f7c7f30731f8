"""The registry of data sets, and that each entry finds the files of its published layout."""

import numpy as np
import pytest

from meddiff_core.commands import run_command
from meddiff_core.conditions.regions import REGIONS
from meddiff_core.conditions.vocabulary import label_id
from meddiff_core.preparation import datasets, prepare
from meddiff_core.preparation.layout import Layout
from meddiff_core.preparation.sources import Rules, find_sources
from meddiff_core.preparation.split import split_patients

REGISTRY = datasets.load_datasets()

# Files of each layout: the CTs, what belongs to the first, and files that must not be taken for CTs.
FILES = {
    "structseg": (["HaN_OAR/1/data"], [], ["HaN_OAR/1/label"]),
    "instance2022": (["train_2/data/000"], ["train_2/label/000"], []),
    "han_seg": (
        ["set_1/case_01/case_01_IMG_CT"],
        ["set_1/case_01/case_01_OAR_SpinalCord.seg"],
        ["set_1/case_01/case_01_IMG_MR_T1"],
    ),
    "segrap2023": (["T/segrap_0000/image", "T/segrap_0000/image_contrast"], ["T/segrap_0000/Brain"], []),
    "segthor": (["train/Patient_01/Patient_01", "test/Patient_41"], ["train/Patient_01/GT"], []),
    "ct_rate": (["train_fixed/train_1/train_1_a/train_1_a_1"], [], ["metadata/x"]),
    "abdomenct1k": (["AbdomenCT-1K-ImagePart1/Case_00001_0000"], [], ["Mask/Case_00002"]),
    "amos22": (
        ["imagesTr/amos_0001", "imagesVa/amos_0008"],
        ["labelsTr/amos_0001"],
        ["imagesTr/amos_0507", "labelsVa/amos_0008"],
    ),
    "btcv": (["RawData/Training/img/img0001"], ["RawData/Training/label/label0001"], []),
    "word": (["imagesTr/word_0002", "imagesVal/word_0001"], ["labelsTr/word_0002"], []),
    "totalsegmentator": (["s0000/ct"], ["s0000/segmentations/liver"], []),
    "autopet": (["PETCT_0a/01-01-2001/CT"], [], ["PETCT_0a/01-01-2001/SEG", "PETCT_0a/01-01-2001/CTres"]),
    "rplhr_ct": (["train/1mm/CT01"], [], ["train/5mm/CT01"]),
    "msd_lung": (["imagesTr/lung_001"], ["labelsTr/lung_001"], ["imagesTs/lung_002"]),
    "msd_liver": (["imagesTr/liver_0"], ["labelsTr/liver_0"], []),
}
SERIES = {
    "chaos": "Train_Sets/CT/1/DICOM_anon",
    "mayo2016": "3mm B30/full_3mm/L067/full_3mm",
    "med_ln": "CT Lymph Nodes/MED_LYMPH_001/09-14-2014-MEDLYMPH001/1.000000-series",
    "abd_ln": "CT Lymph Nodes/ABD_LYMPH_001/09-14-2014-ABDLYMPH001/1.000000-series",
}


def touch(folder, stem, suffix=".nii.gz"):
    path = folder / (stem + suffix)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def test_both_tables_are_complete():
    tables = [dataset.table for dataset in REGISTRY.values()]
    assert (tables.count(1), tables.count(2)) == (13, 7)
    assert set(FILES) | set(SERIES) | {"bmad_liver"} == set(REGISTRY)


@pytest.mark.parametrize("dataset", REGISTRY.values(), ids=lambda dataset: dataset.name)
def test_entries_use_known_names(dataset):
    assert dataset.layout.region in (*REGIONS, "auto")
    assert dataset.licence and dataset.site.startswith("http")
    assert set(dataset.verified) <= {"layout", "labels", "licence"}
    assert bool(dataset.verified) == bool(dataset.source)
    for label_map in dataset.layout.labels.values():
        assert all(label_id(label) for label in (label_map or {}).values())


@pytest.mark.parametrize("name", FILES)
def test_published_layouts_are_found(tmp_path, name):
    cts, belonging, others = FILES[name]
    suffix = ".nrrd" if name == "han_seg" else ".nii.gz"
    for stem in cts + belonging + others:
        touch(tmp_path, stem, suffix)
    sources = find_sources(tmp_path, REGISTRY[name].layout, Rules())
    assert sorted(str(source.image) for source in sources) == sorted(
        str(tmp_path / (ct + suffix)) for ct in cts
    )
    first = next(source for source in sources if source.image == tmp_path / (cts[0] + suffix))
    found = {*first.labels.files, *first.lesions.files} - {source.image for source in sources}
    assert found == {tmp_path / (stem + suffix) for stem in belonging}


@pytest.mark.parametrize("name", SERIES)
def test_published_layouts_of_series_are_found(tmp_path, name, save_dicom):
    save_dicom(tmp_path / SERIES[name], np.zeros((4, 4, 2)), np.eye(4), PatientID="1")
    save_dicom(tmp_path / "MR" / "1" / "T1", np.zeros((4, 4, 2)), np.eye(4), Modality="MR")
    case = SERIES[name].split("/")[1]
    touch(tmp_path, f"MED_ABD_LYMPH_MASKS/{case}/{case}_mask")
    (source,) = find_sources(tmp_path, REGISTRY[name].layout, Rules())
    assert source.image == tmp_path / SERIES[name]
    assert len(source.lesions.files) == (1 if name.endswith("_ln") else 0)


def test_the_folder_may_be_given_at_any_level(tmp_path):
    touch(tmp_path, "data/AMOS22/imagesTr/amos_0001")
    touch(tmp_path, "data/AMOS22/labelsTr/amos_0001")
    for level in ("data", "data/AMOS22", "data/AMOS22/imagesTr"):
        (source,) = find_sources(tmp_path / level, REGISTRY["amos22"].layout, Rules())
        assert source.labels.files == (tmp_path / "data/AMOS22/labelsTr/amos_0001.nii.gz",)
        assert source.patient == "amos22_0001"


def test_odd_names_are_taken_literally(tmp_path):
    touch(tmp_path, "a[1] {x}*")
    touch(tmp_path, "a[1] {x}*_seg")
    touch(tmp_path, "._a")
    (source,) = find_sources(tmp_path, Layout(labels={"{name}_seg": None}), Rules())
    assert source.name == "a_1_x_" and len(source.labels.files) == 1


def test_list_datasets(capsys):
    run_command(prepare.command, ["--list_datasets"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 21 and lines[0].split()[:3] == ["name", "table", "region"]


@pytest.mark.parametrize(
    ("count", "sizes"), [(1, (1, 0, 0)), (2, (2, 0, 0)), (3, (2, 1, 0)), (100, (90, 5, 5))]
)
def test_split_sizes(count, sizes):
    sections = list(split_patients(map(str, range(count))).values())
    assert tuple(sections.count(name) for name in prepare.SECTIONS) == sizes
