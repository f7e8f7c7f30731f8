"""Batches in which a lesion's voxels count more."""

from __future__ import annotations

import torch

from meddiff_core.diffusion.schedule import NoiseSchedule
from meddiff_core.training.lesion_loss import LesionPrepareBatch

SHAPE = (4, 4, 4)


def test_a_batch_carries_the_mask_as_condition_and_as_weight():
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
    inputs, target, _, kwargs = LesionPrepareBatch(schedule, lesion_weight=5.0, control_keys=["lesion"])(
        batch, "cpu"
    )
    assert inputs.shape == (2, 6, *SHAPE) and target.shape == (2, 2, *SHAPE)
    assert torch.equal(inputs[:, 5:], mask.float()) and torch.equal(target[:, 1:], 1 + 4 * mask.float())
    x0 = schedule.to_x0(target[:, :1], inputs[:, :1], kwargs["timesteps"])
    torch.testing.assert_close(x0, batch["image"], atol=2e-3, rtol=0)
