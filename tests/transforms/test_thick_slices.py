"""Simulated thick slices for training."""

from __future__ import annotations

import torch

from meddiff_core.transforms.thick_slices import RandThickSlicesd

THIN = torch.randn(1, 6, 6, 24, generator=torch.Generator().manual_seed(0))


def draw(seed, factor=(2.0, 5.0), **data):
    transform = RandThickSlicesd("image", factor=factor)
    transform.set_random_state(seed)
    return transform({"image": THIN, **data})


def test_the_thick_patch_lies_on_the_thin_grid_and_is_smoother_along_z_alone():
    for seed in range(20):
        thick = draw(seed)["thick"]
        assert thick.shape == THIN.shape
        assert float(thick.diff(dim=-1).square().mean()) < 0.5 * float(THIN.diff(dim=-1).square().mean())


def test_a_slab_keeps_its_mean():
    """With factor 2 the slabs are pairs of voxels, from one of two starts or in between."""
    flat = torch.arange(24.0).expand(1, 2, 2, 24)
    thick = RandThickSlicesd("image", factor=(2, 2))({"image": flat})["thick"]
    torch.testing.assert_close(thick[..., 4:-4], flat[..., 4:-4], atol=2e-3, rtol=0)


def test_factors_and_starts_vary_and_a_seed_repeats_them():
    results = [draw(seed)["thick"] for seed in range(6)]
    assert all(not torch.equal(results[0], other) for other in results[1:])
    assert torch.equal(draw(3)["thick"], results[3])


def test_a_real_pair_is_left_alone():
    real = torch.zeros_like(THIN)
    assert draw(0, thick=real)["thick"] is real
