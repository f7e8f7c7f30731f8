import time

import numpy as np
import pytest
import torch
from monai.metrics import compute_roc_auc

from meddiff_core.metrics.auroc import auroc


def test_as_monai_computes_it_with_ties():
    rng = np.random.default_rng(0)
    scores, truth = rng.integers(0, 20, 500), rng.random(500) < 0.2
    expected = compute_roc_auc(torch.tensor(scores).float(), torch.tensor(truth).long())
    assert auroc(scores, truth) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("scores", "expected"), [([0, 1, 2, 3], 1.0), ([3, 2, 1, 0], 0.0), ([5, 5, 5, 5], 0.5)]
)
def test_the_ends_and_chance(scores, expected):
    assert auroc(np.array(scores), np.array([0, 0, 1, 1])) == expected


def test_any_shape_and_infinite_scores():
    scores = np.array([[[-np.inf, 1.0], [2.0, np.inf]]])
    assert auroc(scores, scores > 1) == 1.0


@pytest.mark.parametrize("truth", [np.zeros(4), np.ones(4)])
def test_one_class_alone_has_none(truth):
    assert np.isnan(auroc(np.arange(4), truth))


def test_millions_of_voxels_take_seconds():
    rng = np.random.default_rng(0)
    scores = rng.standard_normal(2_000_000, dtype=np.float32)
    truth = rng.random(2_000_000) < 0.01
    start = time.perf_counter()
    assert auroc(scores + 1.0 * truth, truth) == pytest.approx(0.76, abs=0.01)  # Phi(1 / sqrt(2))
    assert time.perf_counter() - start < 5
