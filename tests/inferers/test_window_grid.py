"""Windows cover what a volume holds, and no more."""

from __future__ import annotations

from itertools import pairwise
from math import ceil

import numpy as np
import pytest
import torch

from meddiff_core.conditions.boxes import box_shape
from meddiff_core.inferers.known_part import BLOCK
from meddiff_core.inferers.window_grid import LEAST_PIECE, WindowGrid

CASES = [
    # shape, roi_size, divisor
    ((96, 80, 64), 48, 8),
    ((131, 70, 33), 48, 8),
    ((100, 100, 9), 64, 8),
    ((61, 200, 47), (40, 96, 16), 4),
    ((50, 34, 90), 33, 1),
    ((17, 16, 8), 96, 8),
]


def times_covered(grid, windows):
    """How many windows lie in each voxel."""
    times = np.zeros(grid.padded, dtype=int)
    for window in windows:
        times[window] += 1
    return times


@pytest.mark.parametrize(("shape", "roi_size", "divisor"), CASES)
def test_moved_windows_hold_every_voxel_once(shape, roi_size, divisor):
    grid = WindowGrid(shape, roi_size, 0.25, divisor)
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        windows = grid.moved(generator)
        assert (times_covered(grid, windows) == 1).all()
        for window in windows:
            sizes = box_shape(window)
            # an axis that is too short for that is cut into equal parts
            least = [min(LEAST_PIECE, roi // 2) for roi in grid.roi_size]
            assert all(n % divisor == 0 for n in sizes)
            assert all(a <= n <= b for a, n, b in zip(least, sizes, grid.roi_size, strict=True))


def test_moved_windows_lie_elsewhere_each_time_and_the_seed_decides_where():
    grid = WindowGrid((200, 200, 200), 64, 0.125, 8)
    first, again = (
        [grid.moved(generator) for _ in range(10)]
        for generator in (torch.Generator().manual_seed(5) for _ in range(2))
    )
    assert first == again
    borders = {part[0].start for windows in first for part in windows}
    assert len(borders) >= 8
    assert len({tuple(map(str, windows)) for windows in first}) == 10


@pytest.mark.parametrize("overlap", [0.0, 0.125, 0.5])
@pytest.mark.parametrize(("shape", "roi_size", "divisor"), CASES)
def test_fixed_windows_cover_all_with_one_size(shape, roi_size, divisor, overlap):
    grid = WindowGrid(shape, roi_size, overlap, divisor)
    assert times_covered(grid, grid.windows).min() >= 1
    assert {box_shape(window) for window in grid.windows} == {grid.roi_size}
    assert all(n % divisor == 0 for n in grid.roi_size)


@pytest.mark.parametrize("overlap", [0.0, 0.125, 0.5])
@pytest.mark.parametrize("size", [40, 97, 128, 250, 512])
@pytest.mark.parametrize("roi", [32, 64, 96, 160])
def test_evened_windows_are_no_more_and_no_larger(size, roi, overlap):
    grid = WindowGrid((size, 8, 8), roi, overlap, 8)
    padded, stride = grid.padded[0], int(roi * (1 - overlap))
    assert grid.roi_size[0] <= roi
    assert len(grid.windows) <= 1 + max(0, ceil((padded - roi) / stride))
    starts = [window[0].start for window in grid.windows]
    assert all(b - a <= grid.roi_size[0] for a, b in pairwise(starts))


@pytest.mark.parametrize("moved", [False, True])
def test_windows_keep_to_the_content(moved):
    content = np.zeros((20, 16, 12), dtype=bool)
    content[5:9, 4:12, 2:10] = True
    content[15, 7, 4] = True  # an island: the box goes around both
    grid = WindowGrid((157, 128, 96), 32, 0.0, 8, content)
    windows = grid.moved(torch.Generator().manual_seed(0)) if moved else grid.windows
    covered = times_covered(grid, windows) > 0
    voxels = content.repeat(BLOCK, 0).repeat(BLOCK, 1).repeat(BLOCK, 2)
    assert covered[voxels].all()
    box = (slice(5 * 8, 16 * 8), slice(4 * 8, 12 * 8), slice(2 * 8, 10 * 8))
    assert not covered[: box[0].start].any() and not covered[box[0].stop :].any()
    assert not covered[:, : box[1].start].any() and not covered[..., box[2].stop :].any()
    for window in windows:
        assert voxels[window].any()
    assert covered[box].mean() < 1  # the windows between the two are left out


def test_a_box_of_content_at_the_end_of_a_padded_volume():
    content = np.zeros((5, 5, 5), dtype=bool)
    content[4, 4, 4] = True
    grid = WindowGrid((34, 39, 33), 16, 0.0, 16, content)
    assert grid.padded == (48, 48, 48)
    (window,) = grid.windows
    assert box_shape(window) == (16, 16, 16)
    assert all(part.start <= 32 and part.stop >= 40 for part in window)


def test_without_content_there_are_no_windows():
    grid = WindowGrid((64, 48, 40), 32, 0.25, 8, np.zeros((8, 6, 5), dtype=bool))
    assert grid.windows == []
    assert grid.moved(torch.Generator().manual_seed(0)) == []
    assert grid.padded == (64, 48, 40)


def test_no_window_is_a_single_divisor_along_an_axis():
    """A lone voxel on the network's coarsest level is where bfloat16 gives NaN."""
    content = np.zeros((8, 8, 4), bool)
    content[3, 4, 1] = True
    for grid in (WindowGrid((64, 64, 8), 32, 0.0, 8), WindowGrid((64, 64, 32), 32, 0.0, 8, content)):
        assert min(grid.roi_size) >= 16
        assert grid.windows
        for window in grid.windows:
            assert all(
                part.start >= 0 and part.stop <= n for part, n in zip(window, grid.padded, strict=True)
            )
