"""Slice profiles by name."""

from __future__ import annotations

import numpy as np
import pytest

from meddiff_core.physics.slice_profiles import SLICE_PROFILES


@pytest.mark.parametrize("name", SLICE_PROFILES)
def test_the_full_width_at_half_maximum_is_the_slice_thickness(name):
    profile = SLICE_PROFILES[name]
    weights = np.array(profile.weights)
    np.testing.assert_allclose(weights, weights[::-1])
    assert (weights >= 0.5 * weights.max()).mean() * profile.extent == pytest.approx(1.0, abs=0.1)
