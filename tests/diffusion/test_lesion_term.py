"""The data term of a lesion, its last touch, and a denoiser with a data term."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from meddiff_core.diffusion.corrected import corrected
from meddiff_core.diffusion.lesion_term import LesionTerm, match_lesion
from meddiff_core.diffusion.schedule import NoiseSchedule
from meddiff_core.physics.scan_noise import ScanNoise

SHAPE = (20, 18, 16)
INSIDE = (slice(4, 16), slice(4, 14), slice(3, 13))


@pytest.fixture
def mask():
    mask = np.zeros(SHAPE, bool)
    mask[INSIDE] = True
    return mask


def test_what_is_far_off_is_brought_near_and_nothing_else_moves(mask):
    x0 = torch.randn(1, 1, *SHAPE, generator=torch.Generator().manual_seed(0))
    after = LesionTerm(torch.from_numpy(mask)[None, None], 0.4, 0.1)(x0, 500)
    inside = after[0, 0][mask]
    assert float(inside.mean()) == pytest.approx(0.4, abs=0.02)
    assert inside.min() >= 0.4 - 0.25 - 1e-6 and inside.max() <= 0.4 + 0.25 + 1e-6
    assert torch.equal(after[0, 0][~mask], x0[0, 0][~mask])


@pytest.mark.parametrize("made", ["flat", "rough", "two levels"])
@pytest.mark.parametrize("noise", [None, ScanNoise(8.0), ScanNoise(300.0)])
def test_whatever_the_network_made_the_statistics_are_met(mask, made, noise):
    generator = torch.Generator().manual_seed(1)
    hu = torch.full((1, 1, *SHAPE), -300.0)
    if made == "rough":
        hu = hu + 200 * torch.randn(hu.shape, generator=generator)
    if made == "two levels":
        hu[:, :, :9] = 40
    after = match_lesion(hu, mask, (55.0, 30.0), noise, (1.0, 1.0, 2.0), generator)
    core = after[0, 0, 5:15, 5:13, 4:12]
    assert float(core.mean()) == pytest.approx(55, abs=2)
    assert float(core.std()) == pytest.approx(30, rel=0.06)
    assert torch.equal(after[0, 0][~mask], hu[0, 0][~mask])


def test_a_lesion_of_one_voxel(mask):
    mask[:] = False
    mask[5, 5, 5] = True
    after = match_lesion(torch.zeros(1, 1, *SHAPE), mask, (55.0, 5.0), None, (1.0,) * 3, torch.Generator())
    assert float(after[0, 0, 5, 5, 5]) == pytest.approx(55, abs=15)


@pytest.mark.parametrize("t", [999, 500, 20, 0])
def test_the_corrected_denoiser_predicts_the_corrected_clean_image(t):
    schedule = NoiseSchedule()
    x_t = torch.randn(1, 1, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    denoiser = corrected(lambda x, t: torch.zeros_like(x), schedule, lambda x0, t: x0 / 2 + 0.1)
    expected = schedule.to_x0(torch.zeros_like(x_t), x_t, t).clamp(-1, 1) / 2 + 0.1
    torch.testing.assert_close(schedule.to_x0(denoiser(x_t, t), x_t, t), expected, atol=2e-3, rtol=0)
