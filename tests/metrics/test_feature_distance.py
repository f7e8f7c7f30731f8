"""FID and MMD of Gaussians with known distance."""

import math

import pytest
import torch
from monai.metrics import FIDMetric

from meddiff_core.metrics.feature_distance import feature_distance


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# Many vectors, fewer than features, and as many features as MedicalNet's ResNet-50 has.
@pytest.mark.parametrize("shape", [(200, 8), (8, 96), (20, 2048)])
def test_equal_sets_and_a_shift(shape):
    features = normal(*shape)
    equal = feature_distance(features, features)
    assert equal["fid"] == pytest.approx(0, abs=1e-6)
    assert equal["mmd"] == pytest.approx(-2 / shape[0] * float(features.var(dim=0).sum()))
    shifted = feature_distance(features + 0.5, features)
    assert shifted["fid"] == pytest.approx(0.25 * shape[1], rel=1e-4)
    assert shifted["vectors"] == shape[0]


def test_gaussians():
    # |m|^2 + d (s - 1)^2 = 4 * 0.25 + 4 * 0.25; the linear kernel sees the means alone.
    distance = feature_distance(1.5 * normal(2000, 4) + 0.5, normal(2000, 4, seed=1))
    assert distance["fid"] == pytest.approx(2, rel=0.1)
    assert distance["mmd"] == pytest.approx(1, rel=0.1)
    assert feature_distance(normal(2000, 4), normal(2000, 4, seed=1))["mmd"] == pytest.approx(0, abs=0.02)


def test_fid_is_monais_where_that_is_defined():
    generated, real = normal(300, 12) * 1.5 + 0.3, normal(300, 12, seed=1)
    assert feature_distance(generated, real)["fid"] == pytest.approx(float(FIDMetric()(generated, real)))


def test_one_vector_has_no_distance():
    distance = feature_distance(normal(1, 8), normal(1, 8))
    assert math.isnan(distance["fid"]) and math.isnan(distance["mmd"]) and distance["vectors"] == 1
