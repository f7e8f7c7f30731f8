"""The model observer knows what can be seen, and the benchmark asks it."""

import json

import benchmark
import numpy as np
import pytest
from benchmarks.observer import detection, laguerre_gauss, observer_scores
from scipy.special import ndtr

from meddiff_core.errors import InputError


@pytest.fixture(scope="module")
def images():
    """A Gaussian signal in white noise, and noise alone; and the detectability d' of the ideal observer."""
    x, y = np.indices((16, 16)) - 7.5
    signal = 0.5 * np.exp(-(x**2 + y**2) / 8)
    noise = np.random.default_rng(0).standard_normal((2, 1000, 16, 16))
    return noise[0] + signal, noise[1], np.sqrt((signal**2).sum())


def test_the_observer_is_nearly_ideal_in_white_noise(images):
    present, absent, detectability = images
    scores = observer_scores(present, absent, laguerre_gauss(16, 7.0))
    found = detection(scores, scores)
    assert found["auc_before"] == pytest.approx(ndtr(detectability / np.sqrt(2)), abs=0.02)
    assert found["gain"] == found["gain_low"] == found["gain_high"] == 0


def test_what_takes_the_signal_away_costs_detectability(images):
    present, absent, _ = images
    channels = laguerre_gauss(16, 7.0)
    before = observer_scores(present, absent, channels)
    found = detection(
        before, observer_scores(present - 0.7 * (present - absent).mean(axis=0), absent, channels)
    )
    assert found["gain_low"] < found["gain"] < found["gain_high"] < -0.1


def test_the_table_has_a_row_for_each_disc(tmp_path):
    benchmark.detectability(str(tmp_path), doses="25", methods="noisy", volumes=4)
    rows = json.loads((tmp_path / "detectability.json").read_text())
    assert [row["diameter"] for row in rows] == [3, 5, 10, 15]
    assert all(row["images"] == 16 and row["sigma_hu"] == 24 and row["gain"] == 0 for row in rows)
    assert "| 25 %, 24 HU | 3 mm, 15 HU | noisy |" in (tmp_path / "detectability.md").read_text()


def test_a_dose_that_is_none_is_named(tmp_path):
    with pytest.raises(InputError, match="A dose is '150'"):
        benchmark.detectability(str(tmp_path), doses="150")
