"""How a generated lesion is measured against a real one."""

import numpy as np
import pytest

from meddiff_core.metrics.lesions import (
    border_step,
    dice,
    histogram_distance,
    hu_statistics,
    lesion_metrics,
    outside_difference,
)

CUBE = np.zeros((12, 12, 12), dtype=bool)
CUBE[4:8, 4:8, 4:8] = True


def scan(inside, outside=-800.0):
    return np.where(CUBE, inside, outside).astype(np.float32)


def test_the_real_lesion_itself():
    hu = np.random.default_rng(0).normal(30, 20, CUBE.shape).astype(np.float32)
    metrics = lesion_metrics(hu, hu, CUBE)
    assert metrics["hu_error"] == metrics["histogram_distance"] == 0
    assert metrics["seam"] == 1
    assert metrics["generated"] == metrics["real"]


def test_a_shift_is_the_error_and_the_distance():
    hu = np.random.default_rng(0).normal(30, 20, CUBE.shape).astype(np.float32)
    metrics = lesion_metrics(hu - 15, hu, CUBE)
    assert metrics["hu_error"] == pytest.approx(15, abs=1e-3)
    assert metrics["histogram_distance"] == pytest.approx(15, abs=1e-3)
    assert metrics["seam"] == pytest.approx(1, abs=1e-3)


def test_the_histogram_sees_what_the_mean_does_not():
    checkered = np.where(np.indices(CUBE.shape).sum(axis=0) % 2, 80.0, -20.0)
    metrics = lesion_metrics(checkered, np.full(CUBE.shape, 30.0), CUBE)
    assert metrics["hu_error"] == 0
    assert metrics["histogram_distance"] == pytest.approx(50)


def test_the_step_at_the_border_against_the_real_one():
    metrics = lesion_metrics(scan(40), scan(-400), CUBE)
    assert metrics["border_step"] == {"generated": 840, "real": 400}
    assert metrics["seam"] == pytest.approx(2.1)


def test_what_no_window_holds_does_not_count():
    metrics = lesion_metrics(scan(400), scan(3000), CUBE)
    assert metrics["hu_error"] == metrics["histogram_distance"] == 0


def test_a_border_runs_along_every_axis_and_needs_both_sides():
    hu = np.zeros(CUBE.shape, np.float32)
    hu[CUBE] = 10
    hu[4:8, 4:8, 3] = -50  # one of six faces
    assert border_step(hu, CUBE) == pytest.approx((5 * 10 + 60) / 6)
    assert np.isnan(border_step(hu, np.ones_like(CUBE)))
    assert np.isnan(lesion_metrics(hu, np.zeros_like(hu), CUBE)["seam"])


def test_statistics_of_the_hu():
    statistics = hu_statistics(np.arange(101.0))
    assert statistics["mean"] == statistics["p50"] == 50
    assert (statistics["p5"], statistics["p95"]) == (5, 95)
    assert statistics["sd"] == pytest.approx(29.155, abs=1e-3)


def test_pooled_lesions_count_alike_whatever_their_size():
    small, large = np.full(10, 0.0), np.full(1000, 100.0)
    assert histogram_distance([small, large], [np.full(5, 50.0)]) == pytest.approx(50)
    assert histogram_distance([small, large], [large, small]) == pytest.approx(0)


def test_outside_and_dice():
    before, after = scan(40), scan(40)
    after[5, 5, 5] = 500  # inside
    assert outside_difference(after, before, CUBE) == 0
    after[0, 0, 0] -= 3
    assert outside_difference(after, before, CUBE) == 3
    assert outside_difference(after, before, np.ones_like(CUBE)) == 0
    half = CUBE.copy()
    half[6:] = False
    assert dice(half, CUBE) == pytest.approx(2 / 3)
    assert np.isnan(dice(~CUBE & CUBE, ~CUBE & CUBE))
