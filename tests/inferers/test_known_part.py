"""What counts as air, and what the network is spared there."""

from __future__ import annotations

from math import ceil

import numpy as np
import pytest
import torch
from grouped_options import grouped, windowed

from meddiff_core.conditions.regions import region_window
from meddiff_core.conditions.vocabulary import BODY
from meddiff_core.diffusion.schedule import NoiseSchedule
from meddiff_core.inferers.denoising import DenoisingInferer
from meddiff_core.inferers.known_part import (
    AIR_HU,
    BLOCK,
    KnownPart,
    air_level,
    content_of_map,
    content_of_mask,
    content_of_scan,
)
from meddiff_core.phantoms import make_phantom

SHAPE = (96, 96, 40)
BODY_BOX = (slice(32, 64), slice(24, 72), slice(None))


def scan(noise=0.0, level=-1000.0, shape=SHAPE):
    """HU: a body in air, and a thin table under it."""
    hu = np.full(shape, level, dtype=np.float32)
    hu[BODY_BOX] = 40
    hu[16:80, 76:78] = -300
    return hu + np.random.default_rng(0).normal(0, noise, shape).astype(np.float32)


def voxels(content, shape):
    """Blocks as voxels."""
    for axis in range(3):
        content = content.repeat(BLOCK, axis)
    return content[tuple(map(slice, shape))]


@pytest.mark.parametrize("noise", [0, 30, 150])
@pytest.mark.parametrize("level", [-1000.0, -1024.0])
def test_body_and_table_are_content_and_noisy_air_is_not(noise, level):
    hu = scan(noise, level)
    content = content_of_scan(hu)
    assert content.shape == tuple(ceil(n / BLOCK) for n in SHAPE)
    inside = voxels(content, SHAPE)
    assert inside[BODY_BOX].all()
    assert inside[16:80, 76:78].all()
    assert not inside[:8].any() and not inside[-8:].any() and not inside[:, :8].any()
    # one block around each
    assert inside[24:32].any() and not inside[:8, :8].any()
    assert air_level(hu, content) == pytest.approx(level, abs=0.5 + noise / 10)


def test_a_phantoms_body_is_content():
    phantom = make_phantom("chest", (64, 64, 24), (6.0, 6.0, 8.0), seed=1)
    hu = phantom.hu + np.random.default_rng(0).normal(0, 60, phantom.hu.shape)
    inside = voxels(content_of_scan(hu), hu.shape)
    assert inside[phantom.anatomy > 0].all()  # lungs are air, but inside


def test_padding_is_neither_content_nor_the_airs_level():
    hu = scan()
    x, y = np.ogrid[:96, :96]
    outside = (x - 47.5) ** 2 + (y - 47.5) ** 2 > 47**2
    hu[outside] = -3024
    hu[:, :6] = -3024
    content = content_of_scan(hu)
    inside = voxels(content, SHAPE)
    assert inside[BODY_BOX].all() and not inside[:8, :8].any()
    assert air_level(hu, content) == pytest.approx(-1000, abs=1)


def test_padding_does_not_hide_what_shares_a_block_with_it():
    hu = np.full((32, 32, 16), -3024, dtype=np.float32)
    hu[13:19, 13:19] = 0
    assert voxels(content_of_scan(hu), hu.shape)[13:19, 13:19].all()


def test_without_air_all_is_content_and_the_level_is_that_of_air():
    hu = np.full((32, 24, 20), 30, dtype=np.float32)
    content = content_of_scan(hu)
    assert content.all()
    assert air_level(hu, content) == AIR_HU


def test_with_nothing_but_air_there_is_no_content():
    hu = np.full((32, 24, 20), -1003, dtype=np.float32)
    content = content_of_scan(hu)
    assert not content.any()
    assert air_level(hu, content) == -1003


def test_a_map_that_does_not_outline_the_body_says_nothing_of_air():
    labels = np.zeros((40, 40, 40), dtype=np.uint8)
    labels[16:24, 16:24, 16:24] = 5
    assert content_of_map(labels) is None
    labels[8:32, 8:32, 8:32][labels[8:32, 8:32, 8:32] == 0] = BODY
    assert content_of_map(labels).sum() == 5**3


@pytest.mark.parametrize("margin", [1, 2])
def test_a_mask_is_content_with_a_margin(margin):
    mask = np.zeros((80, 40, 40), dtype=bool)
    mask[40, 20, 20] = True
    expected = np.zeros((10, 5, 5), dtype=bool)
    expected[5 - margin : 6 + margin, 2 - margin : 3 + margin, 2 - margin : 3 + margin] = True
    np.testing.assert_array_equal(content_of_mask(mask, margin), expected)


@pytest.mark.parametrize("prediction", ["v_prediction", "epsilon", "sample"])
@pytest.mark.parametrize("volume", [False, True])
@pytest.mark.parametrize("moving", [0, 1])
def test_where_no_window_lies_the_clean_image_is_the_known_one(prediction, volume, moving):
    schedule = NoiseSchedule(prediction_type=prediction)
    content = np.zeros((6, 6, 4), dtype=bool)
    content[1:4, 2:4] = True
    shape = (45, 48, 32)
    known = torch.tensor(-0.9)
    if volume:
        known = torch.rand(1, 1, *shape, generator=torch.Generator().manual_seed(1)) * 2 - 1

    def network(x, timesteps, class_labels):
        return torch.full_like(x[:, :1], 0.25)

    network.divisor = 8
    denoiser = windowed(
        network, shape, window_size=32, known=KnownPart(content, known, schedule), moving=moving
    )
    x = torch.randn(1, 1, *shape, generator=torch.Generator().manual_seed(0))
    predicted = denoiser(x, 600)
    x0 = schedule.to_x0(predicted, x, 600)
    inside = torch.from_numpy(voxels(content, shape))[None, None]
    torch.testing.assert_close(predicted[inside], torch.full_like(predicted[inside], 0.25))
    left_out = predicted != 0.25
    assert torch.equal(left_out, ~inside)
    torch.testing.assert_close(x0[left_out], known.expand_as(x0)[left_out], atol=2e-5, rtol=0)


def test_a_volume_of_air_needs_no_network():
    def network(x, timesteps, class_labels):
        raise AssertionError("called")

    network.divisor = 8
    content = np.zeros((4, 4, 4), dtype=bool)
    known = KnownPart(content, torch.tensor(-1.0), NoiseSchedule())
    denoiser = windowed(network, (32, 32, 30), known=known)
    x = torch.randn(1, 1, 32, 32, 30)
    x0 = NoiseSchedule().to_x0(denoiser(x, 300), x, 300)
    torch.testing.assert_close(x0, torch.full_like(x0, -1.0), atol=1e-5, rtol=0)


def test_denoised_air_is_the_scans_own_level():
    image = region_window("chest").to_unit(torch.from_numpy(scan(noise=40, level=-1010.0)))[None, None]

    def corner(**options):
        seen = []

        def network(x, timesteps, class_labels, noise_code=None):
            seen.append(x[:, 0].numel())
            return torch.zeros_like(x[:, :1])

        network.divisor = 8
        options |= {"noise_level": 40, "region": "chest", "window_size": 32, "overlap": 0.0}
        result = DenoisingInferer(NoiseSchedule(), **grouped(**options))(image, network)
        return region_window("chest").to_hu(result)[..., :8, :8, :].numpy(), sum(seen) / image.numel()

    (left_out, share), (seen, whole) = corner(), corner(skip_air=False)
    assert share < 0.95 and whole >= 1
    np.testing.assert_allclose(left_out, -1010, atol=10)
    assert left_out.std() < 1e-3 and seen.std() > 20
