"""The loss in which a lesion's voxels count more."""

from __future__ import annotations

import torch

from meddiff_core.diffusion.schedule import NoiseSchedule
from meddiff_core.training.lesion_loss import LesionPrepareBatch, LesionWeightedMSELoss

SHAPE = (4, 4, 4)


def test_a_voxel_of_a_lesion_counts_as_often_as_its_weight():
    prediction, target, mask = (torch.zeros(1, 1, 1, 1, 4) for _ in range(3))
    target[..., 0], mask[..., 0] = 2.0, 1.0
    loss = LesionWeightedMSELoss(5.0)(prediction, torch.cat([target, mask], dim=1))
    assert float(loss) == 5 * 4 / (5 + 3)


def test_without_a_lesion_it_is_the_mean_squared_error():
    prediction, target = torch.randn(2, 1, *SHAPE), torch.randn(2, 1, *SHAPE)
    loss = LesionWeightedMSELoss(5.0)(prediction, torch.cat([target, torch.zeros_like(target)], dim=1))
    torch.testing.assert_close(loss, torch.nn.functional.mse_loss(prediction, target))


def test_a_batch_carries_the_mask_as_condition_and_behind_the_target():
    torch.manual_seed(0)
    mask = (torch.rand(2, 1, *SHAPE) > 0.5).to(torch.int16)
    batch = {
        "image": torch.rand(2, 1, *SHAPE),
        "coords": torch.rand(2, 3, *SHAPE),
        "anatomy": torch.ones(2, 1, *SHAPE),
        "lesion": mask,
        "region": ["chest", "abdomen"],
    }
    schedule = NoiseSchedule()
    inputs, target, _, kwargs = LesionPrepareBatch(schedule, control_keys=["lesion"])(batch, "cpu")
    assert inputs.shape == (2, 6, *SHAPE) and target.shape == (2, 2, *SHAPE)
    assert torch.equal(inputs[:, 5:], mask.float()) and torch.equal(target[:, 1:], mask.float())
    x0 = schedule.to_x0(target[:, :1], inputs[:, :1], kwargs["timesteps"])
    torch.testing.assert_close(x0, batch["image"], atol=2e-3, rtol=0)
