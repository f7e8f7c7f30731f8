"""What is outside of the lesion comes out bit for bit."""

from __future__ import annotations

import pytest
import torch
from monai.data import MetaTensor

from meddiff_core.conditions.regions import region_window
from meddiff_core.transforms.paste_lesion import PasteLesiond

SHAPE = (1, 12, 10, 8)


@pytest.mark.parametrize("slope", [1.0, 0.4882813])
@pytest.mark.parametrize("region", ["abdomen", "chest"])
def test_outside_is_the_original_and_inside_the_prediction(slope, region):
    torch.manual_seed(0)
    original = MetaTensor((torch.randint(-1024, 3072, SHAPE) * slope).float(), meta={"filename_or_obj": "a"})
    lesion = MetaTensor((torch.rand(SHAPE) < 0.3).float())
    window = region_window(region)
    pred = MetaTensor(window.to_hu(window.to_unit(original.as_tensor())), meta={"region": region})
    assert not torch.equal(pred.as_tensor(), original.as_tensor())  # why pasting is needed
    pred[lesion > 0] = 7.25
    before = pred.clone()
    result = PasteLesiond()({"pred": pred, "original": original, "lesion": lesion})["pred"]
    outside = lesion.as_tensor() == 0
    assert torch.equal(result.as_tensor()[outside], original.as_tensor()[outside])
    assert (result.as_tensor()[~outside] == 7.25).all()
    assert result.meta["region"] == region
    assert torch.equal(pred.as_tensor(), before.as_tensor())
