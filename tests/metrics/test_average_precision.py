import numpy as np
import pytest
import torch
from monai.metrics import compute_average_precision

from meddiff_core.metrics.average_precision import average_precision


@pytest.mark.parametrize("levels", [3, 1000])
def test_as_monai_with_and_without_ties(levels):
    rng = np.random.default_rng(0)
    scores, truth = rng.integers(0, levels, 400), rng.random(400) < 0.2
    expected = compute_average_precision(torch.as_tensor(scores).float(), torch.as_tensor(truth).long())
    assert average_precision(scores.reshape(20, 20), truth.reshape(20, 20)) == pytest.approx(expected)


def test_what_no_threshold_finds_lowers_it():
    assert average_precision(np.array([3, 2, 1]), np.array([1, 0, 0]), missed=3) == 0.25


@pytest.mark.parametrize("truth", [[0, 0], [1, 1]])
def test_one_class_alone_has_none(truth):
    assert np.isnan(average_precision(np.array([1, 2]), np.array(truth)))
