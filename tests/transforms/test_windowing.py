"""HU to [-1, 1] by the region's window, and back to the scan's own grid."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, Invertd, Orientationd

from meddiff_core.conditions.regions import REGIONS, region_window
from meddiff_core.errors import InputError
from meddiff_core.transforms.conditions import AppendConditionsd
from meddiff_core.transforms.windowing import RegionWindowd, RestoreHUd, ScaleHUd

ABDOMEN = region_window("abdomen")  # -120 to 240 HU


def _item(region="chest", dtype=torch.int16):
    image = torch.linspace(-2000, 2000, 64).reshape(1, 4, 4, 4).to(dtype)
    return {"image": image, "region": region}


def test_region_window_scales_by_the_items_region_and_clips():
    result = RegionWindowd("image")(_item("head_neck"))
    window = region_window("head_neck")
    expected = window.to_unit(_item()["image"].float()).clamp(-1, 1)
    torch.testing.assert_close(result["image"], expected)
    assert result["image"].dtype == torch.float32
    assert result["region"] == "head_neck"
    assert float(RegionWindowd("image", clip=False)(_item())["image"].max()) > 2


def test_region_window_says_which_alternative_it_took():
    always = RegionWindowd("image", alternatives={"chest": {"abdomen": 1.0}})
    assert always(_item("chest"))["region"] == "abdomen"
    assert always(_item("head_neck"))["region"] == "head_neck"
    torch.testing.assert_close(
        always(_item("chest"))["image"], RegionWindowd("image")(_item("abdomen"))["image"]
    )
    sometimes = RegionWindowd("image", alternatives={"chest": {"abdomen": 0.3}})
    sometimes.set_random_state(0)
    drawn = [sometimes(_item("chest"))["region"] for _ in range(300)]
    assert 0.2 < drawn.count("abdomen") / 300 < 0.4
    sometimes.set_random_state(0)
    assert [sometimes(_item("chest"))["region"] for _ in range(300)] == drawn


def test_region_window_leaves_the_item_alone_and_refuses_unknown_regions():
    item = _item()
    before = item["image"].clone()
    RegionWindowd("image", alternatives={"chest": {"abdomen": 1.0}})(item)
    assert item["region"] == "chest" and torch.equal(item["image"], before)
    with pytest.raises(InputError, match="leg"):
        RegionWindowd("image")(_item("leg"))


@pytest.fixture
def scan():
    image = torch.randint(-1100, 2000, (1, 6, 5, 4), generator=torch.Generator().manual_seed(0)).float()
    affine = torch.diag(torch.tensor([-1.5, -1.5, 2.0, 1.0], dtype=torch.float64))
    return MetaTensor(image, affine=affine, meta={"filename_or_obj": "a.nii.gz"})


@pytest.mark.parametrize("region", REGIONS)
def test_scaling_keeps_everything_and_remembers_the_region(scan, region):
    before = scan.clone()
    result = ScaleHUd("image", region)({"image": scan})["image"]
    torch.testing.assert_close(result.as_tensor(), region_window(region).to_unit(before.as_tensor()))
    assert result.meta["region"] == region
    assert torch.equal(result.affine, before.affine)
    assert torch.equal(scan, before) and "region" not in scan.meta


def test_auto_asks_the_header_first_and_says_so(scan, caplog):
    scan.meta["BodyPartExamined"] = "HEAD"
    with caplog.at_level(logging.INFO, logger="meddiff"):
        result = ScaleHUd("image")({"image": scan})["image"]
    assert result.meta["region"] == "head_neck"
    assert caplog.messages[0].startswith("Region: head_neck. The DICOM header")


def test_auto_asks_the_anatomy_next(scan, caplog):
    anatomy = MetaTensor(torch.full((1, 6, 5, 4), 5), affine=scan.affine)  # liver
    with caplog.at_level(logging.INFO, logger="meddiff"):
        result = ScaleHUd("image")({"image": scan, "anatomy": anatomy})["image"]
    assert result.meta["region"] == "abdomen"
    assert "anatomy" in caplog.messages[0]


def test_auto_looks_at_the_hu_last():
    hu = np.full((1, 60, 60, 20), -1000, dtype=np.float32)
    hu[:, 5:-5, 5:-5] = 40
    image = MetaTensor(torch.from_numpy(hu), affine=torch.diag(torch.tensor([5.0, 5.0, 5.0, 1.0])))
    assert ScaleHUd("image")({"image": image})["image"].meta["region"] == "abdomen"


def test_an_unknown_region_is_refused_before_any_scan_is_read():
    with pytest.raises(InputError, match="leg"):
        ScaleHUd("image", region="leg")


@pytest.mark.parametrize("region", REGIONS)
def test_scaling_and_restoring_gives_the_scan_back(scan, region):
    item = ScaleHUd("image", region)({"image": scan})
    item["pred"] = item["image"].clone()
    restored = RestoreHUd("pred")(item)["pred"]
    torch.testing.assert_close(restored.as_tensor(), scan.as_tensor(), atol=2e-2, rtol=0)
    assert torch.equal(restored.affine, scan.affine)
    assert restored.meta["filename_or_obj"] == "a.nii.gz"


def test_restoring_keeps_what_lies_beyond_all_hu_but_for_the_noise_that_the_prediction_carries(scan):
    item = ScaleHUd("image", "abdomen")({"image": torch.full_like(scan, -1060.0)})
    for noise_level, expected in ((40.0, -1000.0), (0.0, -1060.0)):
        prediction = torch.full((1, 6, 5, 4), ABDOMEN.to_unit(-1000.0))
        item["pred"] = MetaTensor(prediction, meta={"noise_level": noise_level})
        restored = RestoreHUd("pred")(item)["pred"]
        torch.testing.assert_close(
            restored.as_tensor(), torch.full((1, 6, 5, 4), expected), atol=1e-3, rtol=0
        )


def test_restoring_takes_plain_tensors_and_skips_condition_channels(scan):
    item = ScaleHUd("image", "chest")({"image": scan, "anatomy": torch.ones(1, 6, 5, 4)})
    item = AppendConditionsd("image", "anatomy")(item)
    assert item["image"].shape == (2, 6, 5, 4)
    item["pred"] = item["image"][:1].as_tensor()
    restored = RestoreHUd("pred")(item)["pred"]
    torch.testing.assert_close(restored.as_tensor(), scan.as_tensor(), atol=2e-2, rtol=0)


def test_the_restored_prediction_can_be_inverted_to_the_scans_own_grid(scan):
    preprocessing = Compose([Orientationd("image", "RAS", labels=None), ScaleHUd("image", "chest")])
    item = preprocessing({"image": scan.clone()})
    assert not torch.equal(item["image"].affine, scan.affine)
    item["pred"] = item["image"].clone()
    item = RestoreHUd("pred")(item)
    result = Invertd("pred", preprocessing, "image", nearest_interp=False)(item)["pred"]
    torch.testing.assert_close(result.as_tensor(), scan.as_tensor(), atol=2e-2, rtol=0)
    assert torch.equal(result.affine, scan.affine)
