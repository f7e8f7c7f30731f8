"""Pictures and single slices become volumes that the bundles read."""

import nibabel as nib
import numpy as np
import pytest
import skimage.io

from meddiff_core.errors import InputError
from meddiff_core.preparation.slices import stack_slices
from meddiff_core.transforms.load import LoadCTd, LoadMasksd

ROWS, COLUMNS = 40, 48


def _grey(count, levels=255, dtype=np.uint8):
    """Slices with a body of 200 grey levels of 255, one dot at the front right of the patient, in air."""
    grey = np.zeros((count, ROWS, COLUMNS), dtype)
    grey[:, 8:-8, 8:-8] = 200 * levels // 255
    grey[:, 10, 12] = levels
    grey[:, 20, 20] = 0  # gas inside
    return grey


@pytest.fixture
def folder(tmp_path):
    """folder(arrays, suffix=".png", name="in") -> a folder of slices named s1, s2, ..."""

    def make(arrays, suffix=".png", name="in"):
        path = tmp_path / name
        path.mkdir(exist_ok=True)
        for number, array in enumerate(arrays, start=1):
            skimage.io.imsave(path / f"s{number}{suffix}", array, check_contrast=False)
        return path

    return make


def _stack(folder, tmp_path, **options):
    output = tmp_path / "volume.nii.gz"
    stack_slices(str(folder), str(output), **({"region": "abdomen"} | options))
    return output


@pytest.mark.parametrize(
    ("suffix", "levels", "dtype"), [(".png", 255, "u1"), (".png", 65535, "u2"), (".tif", 65535, "u2")]
)
def test_grey_becomes_hu_of_the_window(folder, tmp_path, suffix, levels, dtype):
    path = _stack(folder(_grey(9, levels, dtype), suffix), tmp_path, spacing=(0.8, 0.8, 4))
    image = LoadCTd()({"image": path})["image"]
    hu = image.numpy()[0]
    assert hu.shape == (COLUMNS, ROWS, 9)
    np.testing.assert_allclose(image.pixdim, (0.8, 0.8, 4), atol=1e-6)
    assert hu[24, 24, 0] == round(-120 + 200 / 255 * 360)
    assert hu[12, 10, 0] == 240
    assert hu[20, 20, 0] == -120  # black, but not at the border
    assert hu[0, 0, 0] == -1000
    # The dot lies at the patient's right and front.
    dot, middle = (image.affine.numpy() @ voxel for voxel in ((12, 10, 0, 1), (24, 20, 0, 1)))
    assert (dot[:2] > middle[:2]).all()


def test_natural_order_and_several_volumes(folder, tmp_path):
    slices = _grey(20)
    slices[:, 15, 15] = np.arange(1, 21) * 10
    _stack(folder(slices), tmp_path, slices_per_volume=10)
    second = np.asarray(nib.load(tmp_path / "volume_2.nii.gz").dataobj)
    assert second.shape[2] == 10
    assert (np.diff(second[15, 15].astype(int)) > 0).all()
    with pytest.raises(InputError, match="20 slices leave a volume of 2:"):
        _stack(tmp_path / "in", tmp_path, slices_per_volume=9)


@pytest.mark.parametrize("high", [1, 255])
def test_masks_by_name(folder, tmp_path, high):
    mask = np.zeros((9, ROWS, COLUMNS), np.uint8)
    mask[3, 12:15, 16:20] = high
    masks, lesion = folder(mask, ".tif", "masks"), tmp_path / "lesion.nii.gz"
    path = _stack(folder(_grey(9)), tmp_path, mask_dir=str(masks), mask_output=str(lesion))
    item = LoadMasksd("lesion")({"image": LoadCTd()({"image": path})["image"], "lesion": lesion})
    assert nib.load(lesion).get_data_dtype() == np.uint8
    assert np.array_equal(np.argwhere(item["lesion"].numpy()[0]).min(0), (16, 12, 3))
    assert item["lesion"].sum() == 12
    (masks / "s4.tif").unlink()
    with pytest.raises(InputError, match="holds no mask named s4"):
        _stack(tmp_path / "in", tmp_path, mask_dir=str(masks), mask_output=str(lesion))


def test_nifti_and_dicom_slices_are_in_hu(tmp_path, hu, save_nifti, save_dicom):
    hu = hu[..., :8]
    lps = np.diag([-1.0, -1.0, 1.0, 1.0])
    dicom = save_dicom(tmp_path / "dicom", hu, lps)
    inverse = save_dicom(tmp_path / "inverse", hu, lps, PhotometricInterpretation="MONOCHROME1")
    nifti = tmp_path / "nifti"
    nifti.mkdir()
    for k in range(8):  # stored towards right and front
        save_nifti(nifti / f"s{k}.nii.gz", hu[::-1, ::-1, k : k + 1], np.eye(4))
    for folder in (dicom, inverse, nifti):
        volume = nib.load(_stack(folder, tmp_path, region="chest"))
        assert np.array_equal(np.asarray(volume.dataobj), hu)


def test_colours_that_are_grey(folder, tmp_path):
    grey = _grey(8)
    path = _stack(folder(np.stack([grey] * 3, axis=-1)), tmp_path)
    assert nib.load(path).shape == (COLUMNS, ROWS, 8)
    skimage.io.imsave(tmp_path / "in" / "s3.png", np.stack([grey[0], grey[0], grey[0] // 2], -1))
    with pytest.raises(InputError, match=r"s3.png is not one grey slice"):
        _stack(tmp_path / "in", tmp_path)


def test_what_cannot_be_stacked(folder, tmp_path):
    for options, words in (
        ({"region": "leg"}, "Unknown region 'leg'"),
        ({"spacing": (1, 1)}, "--spacing"),
        ({"slices_per_volume": 4}, "at least 8"),
        ({"mask_dir": "masks"}, "go together"),
    ):
        with pytest.raises(InputError, match=words):
            _stack(folder(_grey(9)), tmp_path, **options)
    with pytest.raises(InputError, match="is no folder"):
        _stack(tmp_path / "absent", tmp_path)
    with pytest.raises(InputError, match="holds no slices"):
        _stack(folder([], name="empty"), tmp_path)
    with pytest.raises(InputError, match="7 slices leave a volume of 7"):
        _stack(folder(_grey(7), name="few"), tmp_path)
    (tmp_path / "in" / "s2.png").write_bytes(b"\x89PNG")
    with pytest.raises(InputError, match=r"s2.png cannot be read"):
        _stack(tmp_path / "in", tmp_path)
    skimage.io.imsave(tmp_path / "in" / "s2.png", _grey(1)[0, 1:], check_contrast=False)
    with pytest.raises(InputError, match=r"s2.png has 48 x 39 pixels, s1.png has 48 x 40"):
        _stack(tmp_path / "in", tmp_path)
    assert not (tmp_path / "volume.nii.gz").exists()
