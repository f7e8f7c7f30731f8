"""Which levels of patches a volume serves, by its voxel size."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from meddiff_core.errors import InputError
from meddiff_core.transforms.random_level import RandMultiLevelPatchd

ROI = 8
SHAPE = (40, 36, 32)
ZOOMS = (None, 4, 2, 1)


def item(shape=SHAPE, **entries):
    return {"image": torch.randn(1, *shape), "anatomy": torch.ones(1, *shape), **entries}


def draws(data, weights=(1, 1, 1, 1), zooms=ZOOMS, n=200, **options):
    transform = RandMultiLevelPatchd(("image", "anatomy"), ROI, zooms, weights, **options)
    transform.set_random_state(0)
    return [transform(data) for _ in range(n)]


def zooms(results, n=SHAPE[0]):
    """Voxels of the volume per voxel of the patch along the first axis, with how often that came."""
    steps = (float(result["coords"][0, :, 0, 0].diff().abs().max()) for result in results)
    return Counter(round(step * (n - 1) / 2, 2) for step in steps)


def test_a_fine_volume_serves_at_every_level():
    found = zooms(draws(item(spacing=[1.0, 1.0, 1.0]), (0.2, 0.1, 0.2, 0.5), n=400))
    assert set(found) == {5.0, 4.0, 2.0, 1.0}
    # standard deviation of a share of 0.5 in 400 draws: 10
    assert found[1.0] == pytest.approx(200, abs=40) and found[4.0] == pytest.approx(40, abs=25)


@pytest.mark.parametrize(
    ("spacing", "coarse"),
    [
        ([4.6, 4.6, 2.5], True),
        ([2.5, 4.6, 4.6], True),
        ([3.0, 3.0, 3.0], True),
        ([1.0, 1.0, 8.0], False),  # thick slices are a scanner's own
        ([5.0, 0.8, 0.8], False),  # sagittal slices
        ([2.0, 2.0, 2.0], False),
    ],
)
def test_coarse_in_plane_means_no_voxel_level_and_high_noise(spacing, coarse):
    results = draws(item(spacing=spacing))
    assert set(zooms(results)) == ({5.0, 4.0, 2.0} if coarse else {5.0, 4.0, 2.0, 1.0})
    assert {result["min_timestep"] for result in results} == {600 if coarse else 0}


def test_the_other_weights_keep_their_proportions():
    results = draws(item(spacing=[4.0, 4.0, 4.0]), (0.2, 0.0, 0.1, 0.7), n=300)
    found = zooms(results)
    assert set(found) == {5.0, 2.0}
    assert found[5.0] / 300 == pytest.approx(2 / 3, abs=0.11)  # four standard deviations


def test_the_limit_and_the_timestep_are_options():
    results = draws(item(spacing=[3.0, 3.0, 3.0]), max_voxel_mm=3.0, coarse_min_timestep=500)
    assert 1.0 in zooms(results) and results[0]["min_timestep"] == 0
    assert draws(item(spacing=[3.1] * 3), max_voxel_mm=3.0, coarse_min_timestep=500)[0]["min_timestep"] == 500


def test_a_level_that_would_only_mirror_the_volume_is_left_out():
    assert set(zooms(draws(item((20, 18, 16), spacing=[1.0] * 3)), 20)) == {2.5, 2.0, 1.0}
    # thin, but larger than the patch in plane: as a scan of few slices
    assert 4.0 in zooms(draws(item((40, 40, 2), spacing=[1.0] * 3)))


def test_an_item_without_spacing_counts_as_fine():
    results = draws(item())
    assert {result["min_timestep"] for result in results} == {0}
    assert set(zooms(results)) == {5.0, 4.0, 2.0, 1.0}


def test_an_item_says_its_own_least_timestep():
    assert draws(item(min_timestep=700, spacing=[1.0] * 3), n=1)[0]["min_timestep"] == 700
    assert draws(item(min_timestep=300, spacing=[4.0] * 3), n=1)[0]["min_timestep"] == 600


def test_no_level_left_is_one_sentence():
    with pytest.raises(InputError, match="No level of patches fits a volume"):
        draws(item(spacing=[4.0] * 3), (1,), (1,))
    with pytest.raises(ValueError, match="2 levels have 1 weights"):
        RandMultiLevelPatchd("image", ROI, (1, 2), (1,))


def test_the_random_state_decides_over_level_and_place():
    def places(seed):
        transform = RandMultiLevelPatchd(("image", "anatomy"), ROI, ZOOMS)
        transform.set_random_state(seed)
        return np.stack([transform(data)["coords"].numpy() for _ in range(5)])

    data = item(spacing=[1.0] * 3)
    assert np.array_equal(places(0), places(0)) and not np.array_equal(places(0), places(1))
