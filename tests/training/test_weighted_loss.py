"""The loss in which voxels count by their weight."""

from __future__ import annotations

import pytest
import torch

from meddiff_core.training.weighted_loss import LogLoss, WeightedLoss

SHAPE = (4, 4, 4)


@pytest.mark.parametrize(("power", "error"), [(2, 4), (1, 2)])
def test_a_voxel_counts_as_often_as_its_weight(power, error):
    prediction, target, weight = (
        torch.zeros(1, 1, 1, 1, 4),
        torch.zeros(1, 1, 1, 1, 4),
        torch.ones(1, 1, 1, 1, 4),
    )
    target[..., 0], weight[..., 0] = 2.0, 5.0
    loss = WeightedLoss(power)(prediction, torch.cat([target, weight], dim=1))
    assert float(loss) == 5 * error / (5 + 3)


def test_with_equal_weights_it_is_torchs_loss():
    prediction, target = torch.randn(2, 1, *SHAPE), torch.randn(2, 1, *SHAPE)
    both = torch.cat([target, torch.full_like(target, 3.0)], dim=1)
    torch.testing.assert_close(
        WeightedLoss()(prediction, both), torch.nn.functional.mse_loss(prediction, target)
    )
    torch.testing.assert_close(
        WeightedLoss(1)(prediction, both), torch.nn.functional.l1_loss(prediction, target)
    )


def test_patches_count_alike_however_few_of_their_voxels_do():
    prediction, target, weight = torch.zeros(2, 1, *SHAPE), torch.ones(2, 1, *SHAPE), torch.ones(2, 1, *SHAPE)
    target[1], weight[1], weight[1, 0, 0, 0, 0] = 3.0, 0.0, 1.0
    assert float(WeightedLoss()(prediction, torch.cat([target, weight], dim=1))) == (1 + 9) / 2


def test_a_patch_without_weight_is_no_error():
    nothing = torch.zeros(1, 2, *SHAPE)
    assert float(WeightedLoss()(torch.ones(1, 1, *SHAPE), nothing)) == 0


def test_the_logarithm_counts_a_patch_by_its_share_of_the_error_that_is_saved():
    prediction = torch.zeros(2, 1, *SHAPE, requires_grad=True)
    target, weight = torch.ones(2, 1, *SHAPE), torch.ones(2, 1, *SHAPE)
    target[1] = 0.1  # a wider HU window: a tenth of the error
    LogLoss(floor=0.0)(prediction, torch.cat([target, weight], dim=1)).backward()
    steps = (prediction.grad / target).flatten(1).mean(dim=1) * target.flatten(1)[:, 0].square()
    torch.testing.assert_close(steps[0], steps[1])
