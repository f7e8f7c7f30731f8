import nibabel as nib
import numpy as np
import pytest
import torch

from meddiff_core.conditions.vocabulary import NUM_LABELS
from meddiff_core.errors import InputError
from meddiff_core.transforms.load import LoadCTd, LoadLabelsd, LoadMasksd


def load(path):
    return LoadCTd()({"image": str(path)})["image"]


@pytest.mark.parametrize("kind", ["nii.gz", "nii", "nrrd", "mha", "dicom"])
def test_same_voxels_and_affine_from_every_format(
    kind, tmp_path, hu, affine, save_nifti, save_itk, save_dicom
):
    if kind == "dicom":
        path = save_dicom(tmp_path / "series", hu, affine)
    else:
        path = (save_nifti if kind.startswith("nii") else save_itk)(tmp_path / f"ct.{kind}", hu, affine)
    image = load(path)
    assert image.shape == (1, *hu.shape)
    assert image.dtype == torch.float32
    assert image.meta["filename_or_obj"] == str(path)
    # ITK orders DICOM slices by position along the normal, which may reverse the last axis.
    backwards = kind == "dicom" and np.linalg.det(affine) * np.linalg.det(image.affine.numpy()) < 0
    if backwards:
        flip = np.diag([1.0, 1.0, -1.0, 1.0])
        flip[2, 3] = hu.shape[2] - 1
        hu, affine = hu[:, :, ::-1], affine @ flip
    assert np.array_equal(image.numpy()[0], hu)
    assert np.allclose(image.affine, affine, atol=1e-4)


def test_scale_slope_and_big_endian(tmp_path, hu):
    image = nib.Nifti1Image(hu.astype(">i2"), np.eye(4), header=nib.Nifti1Header(endianness=">"))
    image.header.set_slope_inter(1, -24)
    path = tmp_path / "ct.nii"
    image.to_filename(path)
    raw = nib.load(path)
    assert raw.header.endianness == ">"
    assert np.array_equal(load(path).numpy()[0], raw.get_fdata(dtype=np.float32))


def test_dicom_meta_names_the_body_part_and_no_patient(tmp_path, hu, save_dicom):
    meta = load(save_dicom(tmp_path / "s", hu, np.eye(4), BodyPartExamined="CHEST")).meta
    assert meta["BodyPartExamined"] == "CHEST"
    assert "Doe" not in str(meta)


def test_dicom_meta_tells_how_thick_slices_are(tmp_path, hu, save_dicom):
    assert (
        load(save_dicom(tmp_path / "s", hu, np.eye(4), SliceThickness="1.25")).meta["SliceThickness"]
        == "1.25"
    )
    assert "SliceThickness" not in load(save_dicom(tmp_path / "t", hu, np.eye(4), SliceThickness=None)).meta


@pytest.mark.parametrize(("slices", "least", "read"), [(2, 2, True), (7, 8, False), (8, 8, True)])
@pytest.mark.parametrize("axis", [0, 2])
def test_few_slices_are_for_those_who_ask_for_them(tmp_path, hu, save_nifti, slices, least, read, axis):
    path = save_nifti(tmp_path / "few.nii.gz", hu.take(range(slices), axis))
    transform = LoadCTd(min_slices=least)
    if read:
        assert transform({"image": path})["image"].shape[1 + axis] == slices
    else:
        with pytest.raises(InputError, match=r"has 7 slices .* this task needs 8 or more \(denoising takes"):
            transform({"image": path})


@pytest.mark.parametrize(
    "change",
    [
        lambda hu: np.clip(hu, -150, 400),  # a crop without air
        lambda hu: np.where(hu < -500, -2000, hu),
        lambda hu: np.where(hu < -500, -3024, hu),
        lambda hu: np.where(hu > 1400, 30710, hu),
        lambda hu: np.clip(hu, -1024, -900),  # all air
    ],
)
def test_unusual_ct_passes(change, tmp_path, hu, save_nifti):
    changed = change(hu).astype(np.int16)
    assert np.array_equal(load(save_nifti(tmp_path / "ct.nii.gz", changed)).numpy()[0], changed)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda hu: hu * 0 + 7, "between 7 and 7 only"),
        (lambda hu: hu / 2500.0, "only"),  # normalised
        (lambda hu: hu + 1024, "rescale slope"),  # stored pixels
        (lambda hu: np.where(hu < 0, -2000, hu + 1024), "rescale slope"),  # the same, padded
        (lambda hu: np.clip(hu, 0, 255), "not in HU"),  # a picture
        (lambda hu: hu * 1e3, "reach from"),
        (lambda hu: np.where(hu > 1400, np.nan, hu), "NaN"),
        (lambda hu: np.where(hu > 1400, -np.inf, hu), "infinite"),
        (lambda hu: np.stack([hu, hu], -1), "20 x 24 x 16 x 2"),
        (lambda hu: hu[:, :, 0], "single slice"),
        (lambda hu: hu[:, :, :1], "single slice"),
        (lambda hu: hu[:, :5], "20 x 5 x 16 voxels"),
    ],
)
def test_no_ct_is_refused_in_one_sentence(change, words, tmp_path, hu, save_nifti):
    path = save_nifti(tmp_path / "ct.nii.gz", change(hu.astype(np.float32)))
    with pytest.raises(InputError) as caught:
        load(path)
    sentence = str(caught.value)
    assert words in sentence
    assert sentence.startswith(str(path))
    assert "\n" not in sentence


@pytest.mark.parametrize("name", ["ct.nii.gz", "ct.nii", "ct.nrrd", "ct.mha"])
@pytest.mark.parametrize("keep", [0, 0.5])
def test_damaged_files(name, keep, tmp_path, hu, save_nifti, save_itk):
    path = tmp_path / name
    (save_nifti if ".nii" in name else save_itk)(path, hu, np.eye(4))
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(InputError, match="cannot be read"):
        load(path)


def test_missing_and_foreign_files(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        load(tmp_path / "absent.nii.gz")
    (tmp_path / "photo.png").write_bytes(b"\x89PNG")
    with pytest.raises(InputError, match="no volume"):
        load(tmp_path / "photo.png")
    (tmp_path / "renamed.nii.gz").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(400))
    with pytest.raises(InputError, match="cannot be read"):
        load(tmp_path / "renamed.nii.gz")
    with pytest.raises(InputError, match=r"no slices of a CT in DICOM, but photo\.png"):
        load(tmp_path)


def test_dicom_of_another_modality_and_two_series(tmp_path, hu, save_dicom):
    with pytest.raises(InputError, match="modality MR"):
        load(save_dicom(tmp_path / "mr", hu, np.eye(4), Modality="MR"))
    save_dicom(tmp_path / "two", hu, np.eye(4), SeriesDescription="Thorax B30f")
    save_dicom(tmp_path / "two", hu[..., :9], np.eye(4), SeriesDescription="Thorax B70f")
    with pytest.raises(InputError, match="2 DICOM series") as caught:
        load(tmp_path / "two")
    assert "'Thorax B30f' with 16 slices" in str(caught.value)
    assert "'Thorax B70f' with 9 slices" in str(caught.value)


def test_allow_missing_keys():
    assert LoadCTd(allow_missing_keys=True)({}) == {}
    with pytest.raises(KeyError):
        LoadCTd()({})


class TestLabels:
    load = LoadLabelsd(keys=("anatomy", "lesion"))

    @pytest.fixture
    def image(self, tmp_path, hu, affine, save_nifti):
        return load(save_nifti(tmp_path / "ct.nii.gz", hu, affine))

    def test_map_on_the_same_grid(self, tmp_path, hu, affine, image, save_nifti):
        labels = (np.arange(hu.size).reshape(hu.shape) % NUM_LABELS).astype(np.uint8)
        path = save_nifti(tmp_path / "map.nii.gz", labels, affine)
        item = self.load({"image": image, "anatomy": str(path), "lesion": None})
        assert np.array_equal(item["anatomy"].numpy()[0], labels)
        assert "lesion" not in item

    def test_rounded_affine_is_the_same_grid(self, tmp_path, hu, affine, image, save_nifti):
        path = save_nifti(tmp_path / "map.nii.gz", np.zeros(hu.shape, np.uint8), affine.round(4))
        assert "anatomy" in self.load({"image": image, "anatomy": path})

    def test_another_grid(self, tmp_path, hu, affine, image, save_nifti):
        smaller = save_nifti(tmp_path / "small.nii.gz", np.zeros((20, 24, 15), np.uint8), affine)
        with pytest.raises(InputError, match=r"anatomy map .* another grid: 20 x 24 x 15 voxels"):
            self.load({"image": image, "anatomy": smaller})
        moved = affine.copy()
        moved[:3, 3] += affine[:3, 2] * 0.5
        shifted = save_nifti(tmp_path / "moved.nii.gz", np.zeros(hu.shape, np.uint8), moved)
        with pytest.raises(InputError, match=r"lesion map .* lies 0.5 voxels \(.* mm\) off"):
            self.load({"image": image, "lesion": shifted})

    @pytest.mark.parametrize("value", [NUM_LABELS, -1, 0.5, np.nan])
    def test_values_that_are_no_labels(self, value, tmp_path, hu, affine, image, save_nifti):
        path = save_nifti(tmp_path / "map.nii.gz", np.full(hu.shape, value, np.float32), affine)
        with pytest.raises(InputError, match="whole numbers from 0"):
            self.load({"image": image, "anatomy": path})

    def test_a_mask_may_hold_255(self, tmp_path, hu, affine, image, save_nifti):
        mask = np.zeros(hu.shape, np.uint8)
        mask[2:5] = 255
        path = save_nifti(tmp_path / "mask.nii.gz", mask, affine)
        loaded = LoadMasksd("organ")({"image": self.load({"image": image})["image"], "organ": path})["organ"]
        assert np.array_equal(loaded.numpy()[0], (mask > 0).astype(np.float32))
        np.testing.assert_allclose(loaded.affine, affine, atol=1e-6)
