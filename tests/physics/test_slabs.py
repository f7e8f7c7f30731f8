"""Thick slices as means of thin ones: against the definition and against eq. 12 in closed form."""

from __future__ import annotations

import pytest
import torch

from meddiff_core.physics.slabs import SlabMeans, slabs_of

CASES = [
    {"n_thin": 20, "n_thick": 4},
    {"n_thin": 20, "n_thick": 7},
    {"n_thin": 21, "n_thick": 8, "start": -1.5, "factor": 3.2},
    {"n_thin": 30, "n_thick": 5, "start": 4.0, "factor": 4.5},
    {"n_thin": 20, "n_thick": 4, "profile": [0.2, 1.0, 0.2]},
    {"n_thin": 35, "n_thick": 5, "width": 5.0},  # gaps of two voxels
    {"n_thin": 30, "n_thick": 10, "width": 4.5},
]
OVERLAP = SlabMeans(40, 16, width=5.0)  # 5 mm every 2.5 mm


def draw(*shape):
    return torch.randn(2, 3, *shape, generator=torch.Generator().manual_seed(sum(shape)))


def test_a_whole_factor_is_the_mean_of_the_slab():
    x = draw(20)
    torch.testing.assert_close(SlabMeans(20, 4).thick(x), x.reshape(2, 3, 4, 5).mean(-1))


def test_a_voxel_on_the_border_belongs_to_both_slabs_in_part():
    expected = torch.tensor([[1, 0.5, 0], [0, 0.5, 1]], dtype=torch.float64) / 1.5
    torch.testing.assert_close(SlabMeans(3, 2).matrix, expected)


def test_a_profile_weighs_the_parts_of_a_slab():
    matrix = SlabMeans(6, 2, profile=[1.0, 2.0, 1.0]).matrix
    torch.testing.assert_close(matrix[0], torch.tensor([1, 2, 1, 0, 0, 0], dtype=torch.float64) / 4)


@pytest.mark.parametrize("rho", [0.0, 0.1, 3.0])
@pytest.mark.parametrize("factor", [2, 5])
def test_with_a_whole_factor_the_step_is_the_closed_form(rho, factor):
    slabs = SlabMeans(4 * factor, 4)
    x, y = draw(4 * factor), draw(4)
    expected = x + slabs.repeat(y - slabs.thick(x)) / (1 + factor * rho)
    torch.testing.assert_close(slabs.correct(x, y, rho), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("case", CASES)
def test_the_step_is_the_least_of_the_two_squares(case):
    """The gradient of |y - Hz|^2 + rho |z - x|^2 vanishes there."""
    slabs, rho = SlabMeans(**case), 0.3
    x, y = draw(case["n_thin"]), draw(case["n_thick"])
    z = slabs.correct(x, y, rho).double().requires_grad_()
    ((y - slabs.thick(z)).square().sum() + rho * (z - x).square().sum()).backward()
    assert float(z.grad.abs().max()) < 1e-4


@pytest.mark.parametrize("case", CASES)
def test_what_is_upsampled_agrees_with_what_was_measured(case):
    slabs, y = SlabMeans(**case), draw(case["n_thick"])
    torch.testing.assert_close(slabs.thick(slabs.upsample(y)), y, atol=1e-5, rtol=1e-5)


def test_gaps_are_in_no_slab_and_overlap_is_in_two():
    torch.testing.assert_close(
        SlabMeans(14, 2, width=5.0).matrix[0, :7] * 5, torch.tensor([0, 1, 1, 1, 1, 1, 0]).double()
    )
    assert (
        float((OVERLAP.matrix[4] * OVERLAP.matrix[5] > 0).sum()) == 3
    )  # half a voxel on either side, two whole


def test_slices_that_overlap_bind_but_for_what_noise_decides():
    """A volume's own slices are met; noise is not blown up to what an exact solution makes of it."""
    smooth = torch.sin(torch.arange(40.0) / 3)
    thick, noise = OVERLAP.thick(smooth), draw(16)
    torch.testing.assert_close(OVERLAP.thick(OVERLAP.upsample(thick)), thick, atol=1e-3, rtol=0)
    torch.testing.assert_close(
        OVERLAP.thick(OVERLAP.correct(draw(40), thick)).std(), thick.std(), atol=0.2, rtol=0
    )
    exact = noise @ torch.linalg.pinv(OVERLAP.matrix).T.float()
    for answer in (OVERLAP.upsample(noise), OVERLAP.correct(torch.zeros(2, 3, 40), noise)):
        assert float(answer.std()) < 0.7 * float(exact.std())


def test_a_line_is_interpolated_exactly_between_the_outer_centres():
    slabs = SlabMeans(20, 4)
    line = torch.arange(20, dtype=torch.float32)
    result = slabs.interpolate(slabs.thick(line))
    torch.testing.assert_close(result[2:18], line[2:18])
    assert torch.equal(slabs.repeat(torch.arange(4.0)), torch.arange(4.0).repeat_interleave(5))


def test_one_slice_is_repeated():
    assert torch.equal(SlabMeans(4, 1).upsample(torch.tensor([7.0])), torch.full((4,), 7.0))


def test_how_many_slabs_cover_a_volume():
    assert [slabs_of(20, 5), slabs_of(21, 5), slabs_of(20, 20 / 7)] == [4, 5, 7]


def test_impossible_slabs_are_refused():
    with pytest.raises(ValueError, match="at least one voxel"):
        SlabMeans(10, 12)
    with pytest.raises(ValueError, match="reach beyond"):
        SlabMeans(10, 5, factor=4.0)
