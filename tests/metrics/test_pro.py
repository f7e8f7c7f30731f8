from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage

from meddiff_core.metrics.auroc import auroc
from meddiff_core.metrics.pro import pro_score


def brute_force(score_map, truth, organ, max_fpr):
    """The curve point by point over every threshold, then the trapezoids up to `max_fpr`."""
    scores = np.where(organ, score_map, -np.inf)
    lesions, count = ndimage.label(truth, np.ones((3, 3, 3)))
    rates, overlaps = [0.0], [0.0]
    for threshold in np.unique(scores[organ])[::-1]:
        found = scores >= threshold
        rates.append(found[organ & ~truth].mean())
        overlaps.append(np.mean([found[lesions == i + 1].mean() for i in range(count)]))
    area = 0.0
    for (a, b), (p, q) in zip(pairwise(rates), pairwise(overlaps), strict=True):
        if a < max_fpr and b > a:
            end = min(b, max_fpr)
            area += (end - a) * (p + p + (q - p) * (end - a) / (b - a)) / 2
    return area / max_fpr


@pytest.fixture
def volume():
    """Scores with ties, three lesions of different size, one of them half outside the organ."""
    rng = np.random.default_rng(0)
    truth = np.zeros((12, 12, 12), dtype=bool)
    truth[2:5, 2:5, 2:5] = truth[8, 8, 8] = truth[9:, 2:4, 2:6] = True
    organ = np.zeros_like(truth)
    organ[1:11, 1:11, 1:11] = True
    return rng.integers(0, 30, truth.shape) + 8 * truth, truth, organ


@pytest.mark.parametrize("max_fpr", [0.05, 0.3, 1.0])
def test_as_brute_force(volume, max_fpr):
    assert pro_score(*volume, max_fpr) == pytest.approx(brute_force(*volume, max_fpr))


def test_one_lesion_up_to_1_is_the_auroc(volume):
    scores, truth, _ = volume
    truth = np.zeros_like(truth)
    truth[2:5, 2:5, 2:5] = True
    assert pro_score(scores, truth, max_fpr=1.0) == pytest.approx(auroc(scores, truth))


def test_a_small_lesion_counts_as_much_as_a_large_one():
    truth = np.zeros((8, 8, 8), dtype=bool)
    truth[1:4, 1:4, 1:4] = truth[6, 6, 6] = True
    scores = truth.astype(float)
    scores[6, 6, 6] = -1  # missed
    assert pro_score(scores, truth) == pytest.approx(0.5)


def test_what_lies_outside_the_organ_is_never_found():
    truth = np.zeros((8, 8, 8), dtype=bool)
    truth[2:6, 2:4, 2:4] = True
    organ = np.zeros_like(truth)
    organ[4:] = True
    assert pro_score(truth.astype(float), truth, organ) == pytest.approx(0.5)


def test_touching_by_a_corner_is_one_lesion():
    truth = np.zeros((8, 8, 8), dtype=bool)
    truth[1:4, 1:4, 1:4] = truth[4, 4, 4] = True
    scores = truth.astype(float)
    scores[4, 4, 4] = -1
    assert pro_score(scores, truth) == pytest.approx(27 / 28)


@pytest.mark.parametrize("truth", [np.zeros((4, 4, 4)), np.ones((4, 4, 4))])
def test_without_lesion_or_without_anything_healthy_there_is_none(truth):
    assert np.isnan(pro_score(np.zeros((4, 4, 4)), truth))
