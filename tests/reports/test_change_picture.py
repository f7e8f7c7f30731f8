import matplotlib.image
import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from meddiff_core.conditions.regions import region_window
from meddiff_core.errors import InputError
from meddiff_core.reports.beside import in_ras
from meddiff_core.reports.change_picture import before_after_picture
from meddiff_core.reports.picture import SavePictured
from meddiff_core.transforms.results import Results


def picture(folder):
    """The transform that writes pictures to a folder."""
    volumes = {"before": "original", "after": "pred"}
    return SavePictured("pred", before_after_picture, volumes, Results(folder), "denoised")


@pytest.fixture
def body():
    """A trunk of water `(40, 30, 20)` off the middle (RAS axes)."""
    hu = np.full((40, 30, 20), -1000.0, np.float32)
    hu[4:32, 4:28] = 0.0
    hu[24:32] += 50
    return hu


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
        picture(tmp_path)(item)
        assert torch.equal(item["pred"], original + 7)
        written.append((tmp_path / f"{name}_denoised.png").read_bytes())
    assert written[0] == written[1]


def test_picture_that_cannot_be_written(body, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="Cannot write"):
        before_after_picture(body, body, region_window("chest"), tmp_path / "file" / "scan.png")


def test_volumes_on_different_grids(body):
    result = MetaTensor(body[None])
    with pytest.raises(ValueError, match=r"after \(40, 30, 10\), before \(40, 30, 20\)"):
        in_ras({"after": result[..., :10], "before": result})
