"""HU to [-1, 1] and back: nothing outside the window is lost, noise at its edges is still removed."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, Invertd, Orientationd

from meddiff_core.conditions.regions import REGIONS, HUWindow, region_window
from meddiff_core.errors import InputError
from meddiff_core.transforms.conditions import AppendConditionsd
from meddiff_core.transforms.windowing import RegionWindowd, RestoreHUd, ScaleHUd, restore_outside_window

ABDOMEN = region_window("abdomen")  # -120 to 240 HU


def ramp(window: HUWindow, beyond: float = 400.0) -> torch.Tensor:
    return torch.arange(window.lower - beyond, window.upper + beyond, 0.25)


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("noise_level", [0.0, 20.0])
def test_a_perfect_prediction_gives_the_original_back_inside_and_outside(region, noise_level):
    window = region_window(region)
    original = ramp(window, 1500)
    prediction = window.to_unit(original).clamp(-1, 1)
    restored = restore_outside_window(prediction, original, window, noise_level)
    torch.testing.assert_close(restored, original, atol=1e-2, rtol=0)


@pytest.mark.parametrize("noise_level", [0.0, 5.0, 20.0])
def test_what_is_far_outside_is_kept_whatever_the_prediction_says(noise_level):
    original = ramp(ABDOMEN, 1500)
    restored = restore_outside_window(torch.zeros_like(original), original, ABDOMEN, noise_level)
    reach = 4 * max(noise_level, 0.005 * ABDOMEN.width) + 1
    far = (original < ABDOMEN.lower - reach) | (original > ABDOMEN.upper + reach)
    assert torch.equal(restored[far], original[far])
    inside = (original > ABDOMEN.lower) & (original < ABDOMEN.upper)
    assert (restored[inside] == ABDOMEN.level).all()


@pytest.mark.parametrize("error", [-0.04, -0.01, 0.01, 0.04])
def test_there_is_no_jump_along_a_ramp(error):
    original = ramp(ABDOMEN)
    prediction = ABDOMEN.to_unit(original).clamp(-1, 1) + error
    restored = restore_outside_window(prediction, original, ABDOMEN, noise_level=10.0)
    # 0.25 HU is the ramp's own step; the hand-over may add 1.2 % of the half-width where it begins
    assert float(restored.diff().abs().max()) < 0.25 + 0.012 * ABDOMEN.width / 2 + 0.5


def test_there_is_no_jump_along_the_prediction():
    prediction = torch.linspace(-1.2, 1.2, 4801)
    for excess in (1.0, 15.0, 300.0):
        original = torch.full_like(prediction, ABDOMEN.upper + excess)
        restored = restore_outside_window(prediction, original, ABDOMEN, noise_level=10.0)
        # the steepest smooth step: 1.5 times the height over 5 % of the half-width
        height = original - ABDOMEN.to_hu(torch.tensor(0.95))
        assert float(restored.diff().abs().max()) < 1.5 * float(height.max()) * 0.0005 / 0.05 + 0.1


def test_noise_that_crosses_the_edge_is_removed():
    """Fat lies 20 HU inside the abdomen window, and a third of its noise of 40 HU outside."""
    noise = 40 * torch.randn(20000, generator=torch.Generator().manual_seed(0))
    original = -100 + noise
    assert float((original < ABDOMEN.lower).float().mean()) > 0.25
    restored = restore_outside_window(
        ABDOMEN.to_unit(torch.full_like(noise, -100.0)), original, ABDOMEN, 40.0
    )
    assert float((restored == -100).float().mean()) > 0.98
    assert float(restored.std()) < 0.2 * 40


def test_the_edge_that_counts_is_the_one_the_original_crossed():
    original = torch.tensor([ABDOMEN.lower - 30.0, ABDOMEN.upper + 30.0])
    opposite = torch.tensor([0.99, -0.99])
    restored = restore_outside_window(opposite, original, ABDOMEN, noise_level=40.0)
    torch.testing.assert_close(restored, ABDOMEN.to_hu(opposite))


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
    always = RegionWindowd("image", alternatives={"chest": "abdomen"}, prob=1.0)
    assert always(_item("chest"))["region"] == "abdomen"
    assert always(_item("head_neck"))["region"] == "head_neck"
    torch.testing.assert_close(
        always(_item("chest"))["image"], RegionWindowd("image")(_item("abdomen"))["image"]
    )
    sometimes = RegionWindowd("image", alternatives={"chest": "abdomen"}, prob=0.3)
    sometimes.set_random_state(0)
    drawn = [sometimes(_item("chest"))["region"] for _ in range(300)]
    assert 0.2 < drawn.count("abdomen") / 300 < 0.4
    sometimes.set_random_state(0)
    assert [sometimes(_item("chest"))["region"] for _ in range(300)] == drawn


def test_region_window_leaves_the_item_alone_and_refuses_unknown_regions():
    item = _item()
    before = item["image"].clone()
    RegionWindowd("image", alternatives={"chest": "abdomen"}, prob=1.0)(item)
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
    item["pred"] = item["image"].clamp(-1, 1)
    restored = RestoreHUd("pred")(item)["pred"]
    torch.testing.assert_close(restored.as_tensor(), scan.as_tensor(), atol=2e-2, rtol=0)
    assert torch.equal(restored.affine, scan.affine)
    assert restored.meta["filename_or_obj"] == "a.nii.gz"


def test_restoring_uses_the_noise_level_that_the_prediction_carries(scan):
    item = ScaleHUd("image", "abdomen")({"image": torch.full_like(scan, -150.0)})
    for noise_level, expected in ((40.0, -100.0), (0.0, -150.0)):
        prediction = torch.full((1, 6, 5, 4), ABDOMEN.to_unit(-100.0))
        item["pred"] = MetaTensor(prediction, meta={"noise_level": noise_level})
        restored = RestoreHUd("pred")(item)["pred"]
        torch.testing.assert_close(
            restored.as_tensor(), torch.full((1, 6, 5, 4), expected), atol=1e-3, rtol=0
        )


def test_restoring_takes_plain_tensors_and_skips_condition_channels(scan):
    item = ScaleHUd("image", "chest")({"image": scan, "anatomy": torch.ones(1, 6, 5, 4)})
    item = AppendConditionsd("image", "anatomy")(item)
    assert item["image"].shape == (2, 6, 5, 4)
    item["pred"] = item["image"][:1].as_tensor().clamp(-1, 1)
    restored = RestoreHUd("pred")(item)["pred"]
    torch.testing.assert_close(restored.as_tensor(), scan.as_tensor(), atol=2e-2, rtol=0)


def test_the_restored_prediction_can_be_inverted_to_the_scans_own_grid(scan):
    preprocessing = Compose([Orientationd("image", "RAS", labels=None), ScaleHUd("image", "chest")])
    item = preprocessing({"image": scan.clone()})
    assert not torch.equal(item["image"].affine, scan.affine)
    item["pred"] = item["image"].clamp(-1, 1)
    item = RestoreHUd("pred")(item)
    result = Invertd("pred", preprocessing, "image", nearest_interp=False)(item)["pred"]
    torch.testing.assert_close(result.as_tensor(), scan.as_tensor(), atol=2e-2, rtol=0)
    assert torch.equal(result.affine, scan.affine)
