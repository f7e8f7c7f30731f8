"""Simulated thick slices for training."""

from __future__ import annotations

import pytest
import torch

from meddiff_core.errors import InputError
from meddiff_core.transforms.thick_slices import RandSliceAxisd, RandThickSlicesd

THIN = torch.randn(1, 6, 6, 24, generator=torch.Generator().manual_seed(0))


def draw(seed, data=None, **options):
    transform = RandThickSlicesd("image", **options)
    transform.set_random_state(seed)
    return transform({"image": THIN} | (data or {}))


def test_the_thick_patch_lies_on_the_thin_grid_and_is_smoother_along_z_alone():
    for seed in range(20):
        thick = draw(seed)["thick"]
        assert thick.shape == THIN.shape
        assert float(thick.diff(dim=-1).square().mean()) < 0.5 * float(THIN.diff(dim=-1).square().mean())


def test_a_slab_keeps_its_mean():
    """With factor 2 the slabs are pairs of voxels, from one of two starts or in between."""
    flat = torch.arange(24.0).expand(1, 2, 2, 24)
    thick = RandThickSlicesd("image", factor=(2, 2))({"image": flat})["thick"]
    torch.testing.assert_close(thick[..., 4:-4], flat[..., 4:-4], atol=0.3, rtol=0)


def test_factors_and_starts_vary_and_a_seed_repeats_them():
    results = [draw(seed)["thick"] for seed in range(6)]
    assert all(not torch.equal(results[0], other) for other in results[1:])
    assert torch.equal(draw(3)["thick"], results[3])


def test_a_real_pair_is_left_alone():
    real = torch.zeros_like(THIN)
    assert draw(0, {"thick": real})["thick"] is real


def test_slabs_overlap_leave_gaps_and_have_profiles():
    transform = RandThickSlicesd("image", side_by_side=0.5, profiles=["box", "gaussian"])
    transform.set_random_state(0)
    slabs = [transform.draw_slabs(48) for _ in range(60)]
    widths = {round(s.width / s.factor, 1) for s in slabs}
    assert min(widths) < 0.9 and max(widths) > 3  # a Gaussian reaches over two thicknesses
    side_by_side = [s for s in slabs if s.width in (s.factor, 2 * s.factor)]
    assert 15 < len(side_by_side) < 45
    assert all(s.factor >= 1.5 for s in slabs)
    with pytest.raises(InputError, match="profiles is 'round': use one of box"):
        RandThickSlicesd("image", profiles=["round"])


def test_noise_of_the_slices_belongs_to_the_thin_patch_too():
    flat = {"image": torch.full((1, 16, 16, 24), 40.0)}
    noisy = draw(0, flat, noisy=1.0, factor=(3, 3))
    clean = draw(0, flat, factor=(3, 3))
    assert torch.equal(clean["image"], flat["image"]) and 1 < float(noisy["thick"].std()) < 15
    difference = noisy["thick"] - noisy["image"]
    assert float(difference.std()) < 0.5 * float(
        noisy["thick"].std()
    )  # what the range of the neighbours takes


@pytest.mark.parametrize(
    ("spacing", "prob", "turned"), [((1, 1, 1), 0.0, 0), ((1, 1, 5), 0.0, 20), ((1, 1, 1), 0.5, 10)]
)
def test_slices_lie_across_any_axis(spacing, prob, turned):
    image = torch.arange(2 * 3 * 4.0).reshape(1, 2, 3, 4)
    transform = RandSliceAxisd(["image", "coords"], prob=prob)
    transform.set_random_state(0)
    results = [transform({"image": image, "coords": image, "spacing": spacing}) for _ in range(20)]
    assert abs(sum(r["image"].shape != image.shape for r in results) - turned) <= (4 if prob else 0)
    assert {tuple(r["image"].shape) for r in results} <= {(1, 2, 3, 4), (1, 4, 3, 2), (1, 2, 4, 3)}
    assert all(torch.equal(r["image"], r["coords"]) for r in results)
    real = transform({"image": image, "coords": image, "spacing": spacing, "thick": image})
    assert real["image"].shape == image.shape
