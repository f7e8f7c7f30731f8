import numpy as np
import pytest

from meddiff_core.conditions.body import block_mean, body_mask
from meddiff_core.metrics.lesions import dice

SHAPE, SPACING = (64, 64, 12), (5.0, 5.0, 5.0)


def ellipse(center, radii, shape=SHAPE):
    x, y = np.ogrid[: shape[0], : shape[1]]
    inside = ((x - center[0]) / radii[0]) ** 2 + ((y - center[1]) / radii[1]) ** 2 < 1
    return np.repeat(inside[:, :, None], shape[2], axis=2)


@pytest.fixture(name="scan")
def scan_fixture():
    """Trunk with two lungs on a table; returns HU and the true mask."""
    hu = np.full(SHAPE, -1000.0)
    body = ellipse((32, 36), (24, 18))
    hu[body] = 40
    hu[ellipse((22, 36), (8, 11)) | ellipse((42, 36), (8, 11))] = -850
    hu[:, 10] = 200
    return hu, body


def test_lungs_are_filled_and_the_table_is_gone(scan):
    hu, body = scan
    mask = body_mask(hu, SPACING)
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, body)


@pytest.mark.parametrize("padding", [-1024, -2000, -3024])
def test_any_padding_value(scan, padding):
    hu, body = scan
    hu[~ellipse((32, 32), (31, 31))] = padding
    np.testing.assert_array_equal(body_mask(hu, SPACING), body)


def test_crop_through_the_lungs_keeps_them(scan):
    hu, _ = scan
    crop = (slice(20, 46), slice(28, 44))
    assert body_mask(hu[crop], SPACING).all()


def test_low_dose_noise_changes_little(scan):
    hu, body = scan
    noisy = np.clip(hu + np.random.default_rng(0).normal(0, 135, SHAPE), -1024, None)
    assert dice(body_mask(noisy, SPACING), body) > 0.97


def test_both_legs_are_kept():
    legs = ellipse((18, 32), (10, 10)) | ellipse((46, 32), (10, 10))
    np.testing.assert_array_equal(body_mask(np.where(legs, 40, -1000), SPACING), legs)


def test_spacing_only_changes_the_sampling(scan):
    hu, body = scan
    fine = body_mask(hu.repeat(3, 0).repeat(3, 1), (5 / 3, 5 / 3, 5))
    assert dice(fine[1::3, 1::3], body) > 0.99


def test_air_alone_has_no_body():
    assert not body_mask(np.full((16, 16, 4), -1000), (1, 1, 1)).any()


def test_block_mean_averages_what_there_is():
    volume = np.arange(5.0).reshape(5, 1, 1)
    np.testing.assert_allclose(block_mean(volume, (2, 1, 1)).ravel(), [0.5, 2.5, 4.0])


def test_thin_chest_wall_does_not_open_the_lungs():
    hu = np.full(SHAPE, -1000.0)
    body = ellipse((32, 36), (24, 18))
    hu[body] = 40
    hu[ellipse((32, 36), (22.6, 16.6)) & (np.abs(np.arange(64) - 32) > 6)[:, None, None]] = -850
    np.testing.assert_array_equal(body_mask(hu, SPACING), body)
