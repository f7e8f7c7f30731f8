"""What is made up, what stays, and what the network sees of it."""

from __future__ import annotations

import re

import pytest
import torch
from grouped_options import grouped
from monai.data import MetaTensor

from meddiff_core.conditions.lesion_hu import LesionHU
from meddiff_core.conditions.regions import region_id, region_window
from meddiff_core.diffusion.schedule import NoiseSchedule
from meddiff_core.errors import InputError
from meddiff_core.inferers.inpainting import LEAST_CROP, InpaintingInferer

SHAPE = (90, 70, 40)
CENTRE = (slice(30, 45), slice(28, 40), slice(10, 30))
FEW = {"steps": 2, "jump_length": 1, "jump_rounds": 2}


def inpainter(**options):
    return InpaintingInferer(NoiseSchedule(), **grouped(**FEW | options))


def scan(*lesions, shape=SHAPE, low=-1.5, high=1.5, **meta):
    """Image with values outside the window, anatomy and mask, `(1, 3, X, Y, Z)`."""
    generator = torch.Generator().manual_seed(0)
    image = low + (high - low) * torch.rand(1, 1, *shape, generator=generator)
    anatomy = torch.randint(0, 120, (1, 1, *shape), generator=generator).float()
    mask = torch.zeros(1, 1, *shape)
    for lesion in lesions or [CENTRE]:
        mask[(..., *lesion)] = 1
    meta = {"affine": torch.eye(4), "region": "chest"} | meta
    return MetaTensor(torch.cat([image, anatomy, mask], dim=1), meta=meta)


@pytest.fixture
def network(known_image):
    """A network that expects a smooth image, different in every voxel, and notes its inputs."""
    ramp = torch.linspace(-0.9, 0.9, 90 * 70 * 40).reshape(1, 1, *SHAPE)
    return known_image(chest=ramp, abdomen=ramp)


@pytest.mark.parametrize("region", ["chest", "abdomen"])
def test_the_mask_is_filled_by_the_network_and_the_rest_stays(network, region):
    inputs = scan(region=region)
    result = inpainter(feather=0, lesion_hu=LesionHU(40, 20))(inputs, network)
    window, mask = region_window(region), inputs[:, 2:].bool()
    inside = result.as_tensor()[(..., *CENTRE)]
    assert float(inside.mean()) == pytest.approx(40, abs=2)
    assert float(inside.std()) == pytest.approx(20, rel=0.2)
    structure = next(iter(network.images.values()))[(..., *CENTRE)]
    assert float(torch.corrcoef(torch.stack([inside.ravel(), structure.ravel()]))[0, 1]) > 0.4
    torch.testing.assert_close(result.as_tensor()[~mask], window.to_hu(inputs[:, :1]).as_tensor()[~mask])
    assert result.shape == (1, 1, *SHAPE) and result.dtype == torch.float32
    assert result.meta["region"] == region


def test_the_soft_edge_goes_from_the_original_hu_to_the_lesion_and_nothing_is_clipped_on_it(network):
    inputs = scan(low=-30.0, high=-30.0)
    result = inpainter(feather=4.0, lesion_hu=LesionHU(40, 1))(inputs, network).as_tensor()
    original, made = -30.0 * 900 - 500, 40
    for depth, weight in ((0, 0.625), (1, 0.75), (2, 0.875), (3, 1.0), (5, 1.0)):
        at = (0, 0, 30 + depth, 34, 20)
        expected = original + weight * (made - original)
        assert float(result[at]) == pytest.approx(expected, abs=3)


def test_the_network_sees_a_crop_with_its_coordinates_conditions_and_no_original_inside(network):
    shape = (150, 90, 70)
    inputs = scan((slice(100, 110), slice(40, 50), slice(30, 40)), shape=shape)
    network.images = {region_id("chest"): torch.zeros(1, 1, *shape)}
    inpainter(context=10, feather=0)(inputs, network)
    assert len(network.inputs) == 4
    crop = (slice(73, 137), slice(13, 77), slice(3, 67))
    for seen in network.inputs:
        assert seen.shape == (1, 6, LEAST_CROP, LEAST_CROP, LEAST_CROP)
        assert torch.equal(seen[0, 4:], inputs.as_tensor()[(0, slice(1, 3), *crop)])
        torch.testing.assert_close(seen[0, 1, :, 0, 0], torch.linspace(-1, 1, 150)[73:137])
    mask = inputs.as_tensor()[(0, 2, *crop)].bool()
    late = network.inputs[-1][0, 0]
    known = inputs.as_tensor()[(0, 0, *crop)].clamp(-1, 1)
    assert float(torch.corrcoef(torch.stack([late[~mask], known[~mask]]))[0, 1]) > 0.5
    assert abs(float(torch.corrcoef(torch.stack([late[mask], known[mask]]))[0, 1])) < 0.1


def test_lesions_far_apart_are_inpainted_each_and_near_ones_together(network):
    shape = (200, 70, 40)
    network.images = {region_id("chest"): torch.zeros(1, 1, *shape)}
    parts = [(slice(a, a + 5), slice(30, 36), slice(10, 20)) for a in (10, 20, 180)]
    made = LesionHU(40, 0.5)
    result = inpainter(context=5, feather=0, lesion_hu=made)(scan(*parts, shape=shape), network)
    assert len(network.inputs) == 2 * 4
    for part in parts:
        torch.testing.assert_close(
            result[(..., *part)].as_tensor(), torch.full((1, 1, 5, 6, 10), 40.0), atol=2, rtol=0
        )


def test_a_lesion_larger_than_a_window_takes_several(network):
    inpainter(window_size=48, context=4)(scan(), network)
    assert all(max(seen.shape[2:]) <= 48 for seen in network.inputs)
    assert len(network.inputs) > 4


def test_steps_and_rounds_are_the_evaluations_and_start_from_the_first_timestep(network):
    inpainter(steps=7, jump_length=3, jump_rounds=2, start_from=700)(scan(), network)
    assert len(network.timesteps) == 14
    assert network.timesteps[0] == max(network.timesteps) == 700


def _noisy(x, timesteps, class_labels):
    """Predicts v = 0, so that the image keeps what the noise made of it."""
    return torch.zeros_like(x[:, :1])


def test_the_seed_and_the_sample_decide(network):
    options = {"jump_length": 2, "jump_rounds": 1}
    one, again, other = (inpainter(seed=s, **options)(scan(), _noisy) for s in (1, 1, 2))
    assert torch.equal(one, again) and not torch.equal(one, other)
    second = inpainter(seed=1, **options)(scan(sample=torch.tensor([1])), _noisy)
    assert torch.equal(second.as_tensor(), other.as_tensor())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"steps": 0}, "steps is 0"),
        ({"jump_length": 0}, "jump_length is 0"),
        ({"jump_rounds": 1.5}, "jump_rounds is 1.5"),
        ({"start_from": 1000}, "start_from is 1000"),
        ({"feather": -1}, "feather is -1"),
        ({"context": "wide"}, "context is 'wide'"),
    ],
)
def test_bad_options_are_named(options, words):
    with pytest.raises(InputError, match=words):
        inpainter(**options)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [(torch.zeros(1, 1, 8, 8, 8), "1 channel"), (torch.zeros(1, 3, 8, 8, 8), "mask is empty")],
)
def test_an_input_without_a_lesion_is_refused(inputs, words):
    with pytest.raises(InputError) as caught:
        inpainter()(inputs, _noisy)
    assert re.search(words, str(caught.value))


@pytest.mark.parametrize("feather", [0.0, 1.5, 4.0])
def test_the_mask_is_the_lesion(network, feather):
    """In a lung, no voxel of the mask is nearer to lung than to the lesion, and none beside it is changed."""
    inputs = scan(low=-0.4, high=-0.35)
    inputs[:, 1] = 119  # lung
    network.images = {region_id("chest"): torch.full((1, 1, *SHAPE), -0.38)}  # a network that makes no lesion
    result = inpainter(feather=feather)(inputs, network)
    lesion, original = inputs[:, 2:].bool(), region_window("chest").to_hu(inputs[:, :1]).as_tensor()
    assert result.meta["lesion_hu"] > 0  # drawn among lesions of a lung
    assert float(result.as_tensor()[lesion].min()) > (result.meta["lesion_hu"] - 850) / 2
    torch.testing.assert_close(result.as_tensor()[~lesion], original[~lesion])
