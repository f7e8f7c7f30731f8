import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, Invertd, Orientationd

from meddiff_core.errors import InputError
from meddiff_core.transforms.load import LoadCTd
from meddiff_core.transforms.results import Results
from meddiff_core.transforms.save import SaveCTd


def result(array, affine=None, **meta):
    affine = np.eye(4) if affine is None else affine
    meta = {"filename_or_obj": "/data/scan.nii.gz"} | meta
    return {"pred": MetaTensor(torch.as_tensor(array)[None], affine=affine, meta=meta)}


@pytest.mark.parametrize("kind", ["nii.gz", "nrrd", "mha", "dicom"])
def test_orientation_and_back_gives_the_input_grid(
    kind, tmp_path, hu, affine, save_nifti, save_itk, save_dicom
):
    if kind == "dicom":
        path = save_dicom(tmp_path / "my scan", hu, affine)
    else:
        path = (save_nifti if kind == "nii.gz" else save_itk)(tmp_path / f"my scan.{kind}", hu, affine)
    before = Compose([LoadCTd(), Orientationd("image", axcodes="RAS", labels=None)])
    after = Compose([Invertd("pred", before, orig_keys="image"), SaveCTd("pred", Results(tmp_path / "out"))])
    loaded = LoadCTd()({"image": path})["image"]
    item = before({"image": path})
    # An inferer's output is a MetaTensor without a history of its own; Invertd passes a plain tensor by.
    after({"image": item["image"], "pred": MetaTensor(item["image"].as_tensor().clone())})

    saved = nib.load(tmp_path / "out" / "my scan_denoised.nii.gz")
    assert saved.get_data_dtype() == np.int16
    assert np.array_equal(np.asarray(saved.dataobj), loaded.numpy()[0])
    # NIfTI stores float32: exact for what came from NIfTI, close for the others' float64.
    assert np.allclose(saved.affine, loaded.affine, rtol=1e-6, atol=1e-6)
    assert np.allclose(saved.get_qform(), saved.affine, atol=1e-4)


@pytest.mark.parametrize("codes", [(1, 1), (1, 0), (0, 2), (2, 4)])
def test_nifti_form_codes_are_kept(codes, tmp_path, hu, affine):
    image = nib.Nifti1Image(hu, affine)
    image.set_qform(affine, codes[0])
    image.set_sform(affine, codes[1])
    nib.save(image, tmp_path / "ct.nii.gz")
    source = nib.load(tmp_path / "ct.nii.gz")
    item = LoadCTd()({"image": tmp_path / "ct.nii.gz"})
    SaveCTd("image", Results(tmp_path), "copy")(item)
    saved = nib.load(tmp_path / "ct_copy.nii.gz")
    assert (int(saved.header["qform_code"]), int(saved.header["sform_code"])) == codes
    assert np.allclose(saved.affine, source.affine, rtol=1e-6, atol=1e-6)


def test_header_says_what_it_is(tmp_path, hu):
    SaveCTd("pred", Results(tmp_path), postfix="x" * 90)(result(hu))
    header = nib.load(next(tmp_path.iterdir())).header
    assert header["descrip"].item().decode().startswith("MedDiff-FM xxx")
    SaveCTd("pred", Results(tmp_path))(result(hu))
    header = nib.load(tmp_path / "scan_denoised.nii.gz").header
    assert header["descrip"].item() == b"MedDiff-FM denoised, research use only"
    assert header.get_xyzt_units()[0] == "mm"


def test_types(tmp_path):
    values = np.array([-4e4, -1.5, -0.4, 0.6, 254.5, 4e4] * 4, np.float32).reshape(2, 3, 4)
    read = {}
    for dtype in ("int16", "uint8", "float32"):
        SaveCTd("pred", Results(tmp_path), postfix=dtype, dtype=dtype)(result(values))
        saved = nib.load(tmp_path / f"scan_{dtype}.nii.gz")
        assert saved.get_data_dtype() == dtype
        read[dtype] = np.unique(saved.dataobj).tolist()
    assert read["int16"] == [-32768, -2, 0, 1, 254, 32767]
    assert read["uint8"] == [0, 1, 254, 255]
    assert np.array_equal(read["float32"], np.unique(values))


def test_same_volume_same_bytes(tmp_path, hu):
    for folder in ("a", "b"):
        SaveCTd("pred", Results(tmp_path / folder))(result(hu))
    first, second = (tmp_path / f / "scan_denoised.nii.gz" for f in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()


def test_the_input_is_never_replaced(tmp_path, hu, save_nifti):
    source = save_nifti(tmp_path / "scan.nii.gz", hu)
    (tmp_path / "scan_denoised.nii.gz").symlink_to(source)
    content = source.read_bytes()
    with pytest.raises(InputError, match="the input itself"):
        SaveCTd("pred", Results(tmp_path))(result(hu, filename_or_obj=str(source)))
    assert source.read_bytes() == content


def test_nothing_half_written_stays(tmp_path, hu, monkeypatch):
    def full_disk(image, path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    old = tmp_path / "scan_denoised.nii.gz"
    old.write_bytes(b"an older result")
    monkeypatch.setattr(nib, "save", full_disk)
    with pytest.raises(InputError, match="No space left on device"):
        SaveCTd("pred", Results(tmp_path))(result(hu))
    assert [path.name for path in tmp_path.iterdir()] == [old.name]
    assert old.read_bytes() == b"an older result"


def test_output_folder_that_cannot_be(tmp_path, hu):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="choose another output folder"):
        SaveCTd("pred", Results(tmp_path / "file" / "out"))(result(hu))


def test_nan_is_a_bug_not_a_result(tmp_path):
    with pytest.raises(ValueError, match="NaN"):
        SaveCTd("pred", Results(tmp_path))(result(np.full((4, 4, 4), np.nan, np.float32)))
    assert not list(tmp_path.iterdir())
