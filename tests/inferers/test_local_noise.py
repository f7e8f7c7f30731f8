from dataclasses import replace

import numpy as np
import pytest
import torch

from meddiff_core.inferers.local_noise import balls, on_coarser_grid
from meddiff_core.inferers.volume import Volume

SHAPE, SPACING = (48, 40, 20), (2.0, 2.0, 4.0)


def volume(spacing):
    image = torch.arange(48.0).reshape(48, 1, 1).expand(SHAPE)[None, None].contiguous()
    affine = torch.diag(torch.tensor([*spacing, 1.0], dtype=torch.float64))
    return Volume(image, torch.full_like(image, 5), "chest", {"affine": affine})


def test_every_voxel_counts_and_none_does_where_no_noise_is():
    total = torch.zeros(SHAPE)
    for ball, weight in balls(SHAPE, SPACING, 12.0):
        assert not weight[~ball].any()
        total += weight
    assert total.min() > 0.2


def test_balls_are_round_in_mm_and_clean_in_between():
    ball, weight = next(balls(SHAPE, SPACING, 12.0))
    assert weight[0, 0, 0] == 1  # a ball's middle
    along = [ball[:9, 0, 0].sum(), ball[0, :9, 0].sum(), ball[0, 0, :5].sum()]
    assert along == [7, 7, 4]  # 12 mm and the middle
    assert float(ball.float().mean()) == pytest.approx(4 / 3 * np.pi / 2.5**3, abs=0.08)


def test_a_coarse_grid_covers_the_same_part_with_the_same_coordinates():
    fine = volume((1.0, 1.0, 2.5))
    coarse = on_coarser_grid(fine, 2.0)
    assert coarse.image.shape[2:] == (24, 20, 20) and coarse.conditions.shape == coarse.image.shape
    assert coarse.spacing == pytest.approx([2.0, 2.0, 2.5])
    torch.testing.assert_close(coarse.image[0, 0, :, 0, 0], torch.arange(24.0) * 2 + 0.5)
    torch.testing.assert_close(coarse.coordinates[0], (torch.arange(24.0) * 2 + 0.5) / 47 * 2 - 1)
    assert (coarse.conditions == 5).all()


def test_a_coarse_volume_stays_as_it_is():
    coarse = volume((2.0, 3.0, 5.0))
    assert on_coarser_grid(coarse, 2.0) is coarse
    assert on_coarser_grid(replace(coarse, conditions=None), 2.0).conditions is None
