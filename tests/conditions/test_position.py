"""Coordinates and their embedding."""

from __future__ import annotations

import math

import torch

from meddiff_core.conditions.position import coordinates, position_embedding


def test_the_first_voxel_is_minus_one_and_the_last_plus_one():
    coords = coordinates((5, 3, 2))
    assert coords.shape == (3, 5, 3, 2) and coords.dtype == torch.float32
    assert coords[0, :, 0, 0].tolist() == [-1, -0.5, 0, 0.5, 1]
    assert coords[1, 0, :, 0].tolist() == [-1, 0, 1]
    assert coords[2, 0, 0].tolist() == [-1, 1]


def test_one_slice_lies_in_the_middle():
    assert coordinates((2, 2, 1))[2].unique().tolist() == [0]


def test_a_window_has_the_volumes_coordinates():
    window = (slice(1, 4), slice(0, 2), slice(2, 3))
    assert torch.equal(coordinates((5, 6, 7), window), coordinates((5, 6, 7))[(slice(None), *window)])


def test_the_embedding_is_eq_6_behind_the_raw_coordinates():
    p = torch.tensor([0.3, -0.7, 1.0])
    embedding = position_embedding(p.reshape(1, 3, 1, 1, 1), 4).flatten()
    expected = [*p.tolist()]
    for k in range(4):
        expected += [math.sin(2**k * math.pi * v) for v in p.tolist()]
        expected += [math.cos(2**k * math.pi * v) for v in p.tolist()]
    torch.testing.assert_close(embedding, torch.tensor(expected), atol=1e-5, rtol=0)


def test_the_two_ends_have_different_codes():
    ends = position_embedding(torch.tensor([-1.0, 1.0]).reshape(2, 1, 1, 1, 1).expand(2, 3, 1, 1, 1))
    assert not torch.allclose(ends[0], ends[1])
    torch.testing.assert_close(ends[0, 3:], ends[1, 3:], atol=1e-5, rtol=0)  # the waves alone are the same
