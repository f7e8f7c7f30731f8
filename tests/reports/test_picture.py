import matplotlib.image
import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from meddiff_core.conditions.regions import region_window
from meddiff_core.errors import InputError
from meddiff_core.reports import picture
from meddiff_core.reports.picture import SavePictured, before_after_picture


@pytest.fixture
def body():
    """A trunk of water `(40, 30, 20)` off the middle, bright on its right, front and top (RAS axes)."""
    hu = np.full((40, 30, 20), -1000.0, np.float32)
    hu[4:32, 4:28] = 0.0
    hu[24:32] += 50
    hu[:, 20:28] += 20
    hu[:, :, 14:] += 5
    return hu


def test_planes_go_through_the_body(body):
    assert picture._centre(body, (3.0, 3.0, 3.0)) == (17, 15, 9)
    fine = body.repeat(3, axis=0)
    assert abs(picture._centre(fine, (1.0, 3.0, 3.0))[0] - 53) <= 2
    assert picture._centre(np.full_like(body, -1000), (3.0, 3.0, 3.0)) == (20, 15, 10)


def test_planes_are_shown_as_radiologists_expect(body):
    axial, coronal, sagittal = (picture._plane(body, axis, 15) for axis in (2, 1, 0))
    assert axial.shape == (30, 40) and coronal.shape == (20, 40) and sagittal.shape == (20, 30)
    assert axial[15, 10] > axial[15, 30]  # the patient's right is on the left
    assert axial[5, 20] > axial[20, 20]  # the front is up
    assert coronal[0, 20] > coronal[19, 20]  # the head is up
    assert sagittal[10, 5] > sagittal[10, 20]  # the front is on the left


@pytest.mark.parametrize("spacing", [(3.0, 3.0, 3.0), (0.8, 0.8, 30.0), (3.0, 3.0, 0.3)])
def test_picture_file(spacing, body, tmp_path):
    path = tmp_path / "new" / "scan.png"
    before_after_picture(body, body + 10, region_window("abdomen"), path, spacing=spacing)
    pixels = matplotlib.image.imread(path)
    height, width = pixels.shape[:2]
    assert width == 1300
    assert 300 < height <= 14 * 130
    assert pixels[:5, :5, :3].max() < 0.1  # dark
    assert pixels[..., :3].max() > 0.9
    assert [p.name for p in path.parent.iterdir()] == ["scan.png"]


def test_transform_shows_the_same_in_every_orientation(body, tmp_path):
    written = []
    for name, flips in (("ras", (1, 1, 1)), ("lps", (-1, -1, 1))):
        affine = np.diag([3.0 * f for f in flips] + [1.0])
        array = torch.from_numpy(body[:: flips[0], :: flips[1]].copy())[None]
        meta = {"filename_or_obj": f"/data/{name}.nii.gz", "region": "abdomen"}
        original = MetaTensor(array, affine=affine, meta=meta)
        item = {"original": original, "pred": original + 7}
        SavePictured(output_dir=tmp_path)(item)
        assert torch.equal(item["pred"], original + 7)
        written.append((tmp_path / f"{name}_denoised.png").read_bytes())
    assert written[0] == written[1]


def test_picture_that_cannot_be_written(body, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="Cannot write"):
        before_after_picture(body, body, region_window("chest"), tmp_path / "file" / "scan.png")
