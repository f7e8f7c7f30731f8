"""Seams against volumes with a known step at the windows' borders."""

import math

import numpy as np
import pytest

from meddiff_core.inferers.window_grid import WindowGrid
from meddiff_core.metrics.seams import seam_index, window_borders


def ramp(shape):
    """Neighbours differ by 1 along every axis."""
    return np.sum(np.indices(shape), axis=0).astype(np.float32)


def windows_of(shape, roi_size, overlap):
    return WindowGrid(shape, roi_size, overlap, divisor=8).windows


def test_a_step_at_the_border():
    shape = (32, 16, 16)
    volume = ramp(shape)
    volume[16:] += 9
    windows = windows_of(shape, 16, overlap=0)
    assert window_borders(windows, shape) == [[16], [], []]
    assert seam_index(volume, windows) == pytest.approx(10)
    assert seam_index(ramp(shape), windows) == pytest.approx(1)


def test_a_checkerboard_of_windows():
    # Along each axis the step across a border is 1 + 4 or |1 - 4|, in equal parts.
    shape = (32, 32, 32)
    volume = ramp(shape) + 4 * ((np.indices(shape) // 16).sum(axis=0) % 2)
    assert seam_index(volume, windows_of(shape, 16, overlap=0)) == pytest.approx(4)


def test_only_the_mask_counts():
    shape = (32, 16, 16)
    volume, mask = ramp(shape), np.zeros(shape, bool)
    volume[16:, :8] += 9
    mask[:, 8:] = True
    windows = windows_of(shape, 16, overlap=0)
    assert seam_index(volume, windows) == pytest.approx(5.5)
    assert seam_index(volume, windows, mask) == pytest.approx(1)
    assert math.isnan(seam_index(volume, windows, np.zeros(shape, bool)))


def test_a_step_elsewhere_is_no_seam():
    volume = ramp((48, 16, 16))
    volume[8:] += 9
    assert seam_index(volume, windows_of(volume.shape, 24, overlap=0)) == pytest.approx(1)


def test_both_ends_of_an_overlap_are_borders():
    # Windows of 24 begin at 0, 12, 16: the last is shifted to end at the border.
    shape = (40, 24, 24)
    assert window_borders(windows_of(shape, 24, overlap=0.5), shape) == [[12, 16, 24, 36], [], []]


def test_one_window_has_no_seam():
    assert math.isnan(seam_index(ramp((16, 16, 16)), windows_of((16, 16, 16), 32, overlap=0.125)))
