"""Thin slices in the range of their thick neighbours."""

from __future__ import annotations

import pytest
import torch

from meddiff_core.physics.slab_bounds import agree_within_range, neighbour_range, smooth_within_range
from meddiff_core.physics.slabs import SlabMeans
from meddiff_core.physics.slice_profiles import SLICE_PROFILES


def edge(n_thin):
    """Brain, a vault of bone 2.5 voxels from one slab to the next, and air, `(1, 6, 7, n_thin)` in HU."""
    line = torch.full((n_thin,), 35.0)
    line[n_thin // 2 - 2 : n_thin // 2 + 4] = 1200
    line[n_thin // 2 + 4 :] = -1000
    return line.expand(1, 6, 7, n_thin).clone()


def excess(thin, thick, slabs):
    lowest, highest = (slabs.repeat(ends) for ends in neighbour_range(thick))
    return float(torch.maximum(thin - highest, lowest - thin).max())


def test_the_neighbours_are_all_27_voxels():
    thick = torch.zeros(1, 5, 5, 5)
    thick[0, 2, 2, 2] = 9.0
    lowest, highest = neighbour_range(thick)
    assert not lowest.any() and int((highest > 0).sum()) == 27


@pytest.mark.parametrize(
    "slabs",
    [
        SlabMeans(40, 8),
        SlabMeans(40, 20),
        SlabMeans(42, 6, width=5.0),
        SlabMeans(40, 8, SLICE_PROFILES["trapezoid"].weights),
    ],
)
def test_no_rings_beside_bone_and_the_slices_as_they_were_measured(slabs):
    thick = slabs.thick(edge(slabs.matrix.shape[1]))
    rings = excess(slabs.upsample(thick), thick, slabs)
    assert rings > 30
    thin = smooth_within_range(thick, slabs)
    assert excess(thin, thick, slabs) < 0.05 * rings
    torch.testing.assert_close(slabs.thick(thin), thick, atol=0.5, rtol=0)


def test_what_is_within_the_range_and_agrees_stays_bit_for_bit():
    slabs = SlabMeans(20, 4)
    thin = torch.arange(20.0).expand(1, 4, 4, 20)
    result = agree_within_range(thin, slabs.thick(thin), slabs, margin=3.0)
    torch.testing.assert_close(result, thin, atol=1e-4, rtol=0)
    assert (
        excess(agree_within_range(3 * thin, slabs.thick(thin), slabs, margin=3.0), slabs.thick(thin), slabs)
        < 3.5
    )
