"""Lists of timesteps: ends, order, spacing."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from meddiff_core.diffusion.schedule import NoiseSchedule
from meddiff_core.diffusion.timesteps import timestep_list

SCHEDULE = NoiseSchedule()


@pytest.mark.parametrize("spacing", ["log_snr", "linear"])
@pytest.mark.parametrize("t_start", [None, 500, 87])
@pytest.mark.parametrize("n", [2, 10, 50])
def test_lists_start_where_asked_and_descend(spacing, t_start, n):
    steps = timestep_list(SCHEDULE, n, t_start, spacing)
    assert steps[0] == (999 if t_start is None else t_start)
    assert all(later < earlier for earlier, later in pairwise(steps))
    assert steps[-1] >= 0
    assert n * 0.7 <= len(steps) <= n
    assert all(type(t) is int for t in steps)


@pytest.mark.parametrize("spacing", ["log_snr", "linear"])
def test_one_step_is_the_start(spacing):
    assert timestep_list(SCHEDULE, 1, 87, spacing) == [87]
    assert timestep_list(SCHEDULE, 1, spacing=spacing) == [999]


@pytest.mark.parametrize("spacing", ["log_snr", "linear"])
def test_a_short_range_gives_each_timestep_once(spacing):
    assert timestep_list(SCHEDULE, 50, 0, spacing) == [0]
    assert timestep_list(SCHEDULE, 50, 3, spacing) == [3, 2, 1, 0]


def test_linear_spacing_is_even():
    expected = [999, 899, 799, 699, 599, 500, 400, 300, 200, 100]
    assert timestep_list(SCHEDULE, 10, spacing="linear") == expected


def test_log_snr_spacing_is_even_in_log_sigma_and_ends_at_zero():
    steps = timestep_list(SCHEDULE, 10)
    assert steps[-1] == 0
    gaps = SCHEDULE.sigma(torch.tensor(steps)).log().diff()
    # the grid is coarse at both ends: t = 999 and 998 are 3.5 apart
    assert float((gaps[1:-2] / gaps[1:-2].mean() - 1).abs().max()) < 0.15


@pytest.mark.parametrize("n", [0, -1])
def test_fewer_than_one_step_is_refused(n):
    with pytest.raises(ValueError, match=str(n)):
        timestep_list(SCHEDULE, n)


@pytest.mark.parametrize("spacing", ["log_snr", "linear"])
@pytest.mark.parametrize("t_start", [-1, 1000])
def test_a_start_outside_the_schedule_is_refused(spacing, t_start):
    with pytest.raises(ValueError, match=str(t_start)):
        timestep_list(SCHEDULE, 5, t_start, spacing)


def test_an_unknown_spacing_is_refused():
    with pytest.raises(ValueError, match="karras"):
        timestep_list(SCHEDULE, 5, spacing="karras")
