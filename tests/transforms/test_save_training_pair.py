import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from meddiff_core.errors import InputError
from meddiff_core.transforms.results import Results
from meddiff_core.transforms.save_training_pair import SaveTrainingPaird


@pytest.fixture
def item(affine, hu):
    """item(name, **meta) -> a result and its mask."""

    def make(name="scan", mask_file="scan.nii.gz", **meta):
        mask = np.zeros(hu.shape, np.float32)
        mask[3:7, 4:9, 5:8] = 1
        meta |= {"filename_or_obj": f"/data/{name}.nii.gz", "qform_code": 2, "sform_code": 2}
        pred = MetaTensor(torch.from_numpy(hu.astype(np.float32))[None], affine=affine, meta=meta)
        lesion_meta = {"filename_or_obj": str(mask_file)}
        return {"pred": pred, "lesion": MetaTensor(torch.from_numpy(mask)[None], affine, lesion_meta)}

    return make


def description(folder):
    return json.loads((folder / "dataset.json").read_text())


def test_mask_beside_the_result(item, affine, hu, tmp_path):
    SaveTrainingPaird("pred", Results(tmp_path))(item(number="2"))
    (path,) = tmp_path.iterdir()
    saved = nib.load(path)
    assert path.name == "scan_lesion_2_mask.nii.gz"
    assert saved.get_data_dtype() == np.uint8
    assert np.allclose(saved.affine, affine) and int(saved.header["sform_code"]) == 2
    assert np.asarray(saved.dataobj).sum() == 4 * 5 * 3


def test_nnunet_case(item, hu, tmp_path):
    SaveTrainingPaird("pred", Results(tmp_path), layout="nnunet", dataset_id=7, dataset_name="Nodules")(
        item()
    )
    folder = tmp_path / "Dataset007_Nodules"
    image, label = (
        nib.load(folder / name)
        for name in ("imagesTr/scan_lesion_0000.nii.gz", "labelsTr/scan_lesion.nii.gz")
    )
    assert np.array_equal(image.affine, label.affine) and image.shape == label.shape
    assert np.array_equal(np.asarray(image.dataobj), hu) and image.get_data_dtype() == np.int16
    assert label.get_data_dtype() == np.uint8 and set(np.unique(label.dataobj)) == {0, 1}
    assert description(folder) == {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, "lesion": 1},
        "numTraining": 1,
        "file_ending": ".nii.gz",
    }


def test_cases_are_counted_over_runs(item, tmp_path):
    folder = tmp_path / "Dataset900_SyntheticLesion"
    for name, count in (("a", 1), ("b", 2), ("a", 2), ("c", 3)):
        SaveTrainingPaird("pred", Results(tmp_path), layout="nnunet")(item(name))
        assert description(folder)["numTraining"] == count
        assert sum(1 for _ in folder.glob("labelsTr/*")) == count
    known = description(folder) | {"overwrite_image_reader_writer": "SimpleITKIO"}
    (folder / "dataset.json").write_text(json.dumps(known))
    (folder / "imagesTr" / ".1.d_0000.nii.gz").touch()  # a draft of a run that was killed
    SaveTrainingPaird("pred", Results(tmp_path), layout="nnunet")(item("d"))
    assert description(folder) == known | {"numTraining": 4}


@pytest.mark.parametrize("content", ['{"labels": {"background": 0, "liver": 1}}', "[]", "{"])
def test_another_data_set_is_left_alone(item, tmp_path, content):
    folder = tmp_path / "Dataset900_SyntheticLesion"
    folder.mkdir()
    (folder / "dataset.json").write_text(content)
    with pytest.raises(InputError, match="choose another dataset_id"):
        SaveTrainingPaird("pred", Results(tmp_path), layout="nnunet")(item())
    assert [path.name for path in folder.iterdir()] == ["dataset.json"]


def test_an_id_belongs_to_one_data_set(item, tmp_path):
    (tmp_path / "Dataset900_Liver").mkdir()
    with pytest.raises(InputError, match="holds Dataset900_Liver already"):
        SaveTrainingPaird("pred", Results(tmp_path), layout="nnunet")(item())


def test_the_given_mask_is_not_overwritten(item, tmp_path, save_nifti):
    given = save_nifti(tmp_path / "scan_lesion_mask.nii.gz", np.zeros((4, 4, 4), np.uint8))
    with pytest.raises(InputError, match="is the input itself"):
        SaveTrainingPaird("pred", Results(tmp_path))(item(mask_file=given))


def test_grids_must_agree(item, tmp_path):
    one = item()
    with pytest.raises(ValueError, match="The mask is on another grid"):
        SaveTrainingPaird("pred", Results(tmp_path))(one | {"lesion": one["lesion"][..., :10]})
    moved = one["lesion"].clone()
    moved.affine[0, 3] += 0.04  # what loading lets pass
    SaveTrainingPaird("pred", Results(tmp_path))(one | {"lesion": moved})
    saved = nib.load(tmp_path / "scan_lesion_mask.nii.gz")
    assert np.allclose(saved.affine, one["pred"].affine, atol=1e-5)
    moved.affine[0, 3] += 5
    with pytest.raises(ValueError, match="The mask is on another grid"):
        SaveTrainingPaird("pred", Results(tmp_path))(one | {"lesion": moved})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"layout": "msd"}, "layout is 'msd'"),
        ({"dataset_id": 0}, "dataset_id is 0"),
        ({"dataset_id": "12"}, "dataset_id is '12'"),
        ({"dataset_name": "my lesions"}, "dataset_name is 'my lesions'"),
    ],
)
def test_options(options, words):
    with pytest.raises(InputError, match=words):
        SaveTrainingPaird("pred", Results(), **options)


@pytest.mark.parametrize(
    ("layout", "record", "image"),
    [
        ("files", "scan_lesion_3_mask.json", "scan_lesion_3_mask.nii.gz"),
        (
            "nnunet",
            "Dataset900_SyntheticLesion/provenance/scan_lesion_3.json",
            "Dataset900_SyntheticLesion/imagesTr/scan_lesion_3_0000.nii.gz",
        ),
    ],
)
def test_provenance(item, tmp_path, layout, record, image):
    root = Path(__file__).parents[2] / "bundles" / "ct_lesion_generation"
    results = Results(tmp_path, root, kind="synthetic", options={"seed": 5})
    SaveTrainingPaird("pred", results, layout=layout)(item(number="3", sample=2))
    written = json.loads((tmp_path / record).read_text())
    assert (written["seed"], written["kind"], written["input"]) == (7, "synthetic", "scan.nii.gz")
    assert b"seed 7, lesion 3, synthetic" in nib.load(tmp_path / image).header["descrip"].item()
