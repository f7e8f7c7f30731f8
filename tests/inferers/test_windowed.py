"""Windows: what goes into the network, where its output lands, and that nothing is left out."""

from __future__ import annotations

import pytest
import torch
from grouped_options import windowed
from monai.inferers import sliding_window_inference

from meddiff_core.conditions.position import coordinates
from meddiff_core.conditions.regions import REGIONS
from meddiff_core.errors import InputError
from meddiff_core.inferers.volume import Volume
from meddiff_core.inferers.windows import Windows

# odd; smaller than the window; no multiple of anything; one slice
AWKWARD = [(17, 23, 19), (5, 30, 7), (32, 16, 33), (21, 20, 1), (16, 16, 16)]


class Spy:
    """A network that notes its inputs and returns the channels it is asked for."""

    divisor = 4

    def __init__(self, channel: int = 0) -> None:
        self.channel = channel
        self.calls = []

    def __call__(self, x, timesteps, class_labels):
        self.calls.append((x, timesteps, class_labels))
        return x[:, self.channel : self.channel + 1]


def noise(shape, seed=0):
    return torch.randn(1, 1, *shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", AWKWARD)
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5])
def test_a_constant_comes_out_exactly(shape, overlap):
    def constant(x, timesteps, class_labels):
        return torch.full_like(x[:, :1], 0.7)

    constant.divisor = 8
    denoiser = windowed(constant, shape, window_size=16, overlap=overlap)
    result = denoiser(noise(shape), 500)
    torch.testing.assert_close(result, torch.full((1, 1, *shape), 0.7), atol=1e-6, rtol=0)


@pytest.mark.parametrize("shape", AWKWARD)
def test_every_voxel_is_covered_by_windows_the_network_can_take(shape):
    network = Spy()
    x = noise(shape)
    result = windowed(network, shape, window_size=(16, 13, 8), overlap=0.25)(x, 3)
    torch.testing.assert_close(result, x, atol=1e-5, rtol=0)
    for inputs, _, _ in network.calls:
        assert all(n % 4 == 0 and n <= 16 for n in inputs.shape[2:])


@pytest.mark.parametrize("shape", AWKWARD)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_windows_get_the_coordinates_of_the_whole_volume(shape, axis):
    denoiser = windowed(Spy(1 + axis), shape, window_size=12, overlap=0.5, window_batch=3)
    result = denoiser(noise(shape), 0)
    torch.testing.assert_close(result[0], coordinates(shape)[axis : axis + 1], atol=1e-5, rtol=0)


def test_padded_voxels_continue_the_coordinates():
    network = Spy()
    windowed(network, (6, 5, 4))(noise((6, 5, 4)), 0)
    ((inputs, _, _),) = network.calls
    assert inputs.shape[2:] == (8, 8, 8)
    torch.testing.assert_close(inputs[0, 1, :, 0, 0], -1 + 2 / 5 * torch.arange(8))
    torch.testing.assert_close(inputs[0, 2, 0, :, 0], -1 + 2 / 4 * torch.arange(8))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_crop_has_the_coordinates_of_its_place_in_the_whole_volume(axis):
    shape, box = (31, 40, 25), (slice(3, 22), slice(20, 40), slice(0, 9))
    volume = Volume(noise(shape), noise(shape, 1), "chest", {})
    for crop in (volume.crop(box), volume.crop([slice(1, 30)] * 3).crop([slice(2, 9), slice(3), slice(1)])):
        inside = box if crop.image.shape[2] == 19 else (slice(3, 10), slice(1, 4), slice(1, 2))
        size = crop.image.shape[2:]
        denoiser = windowed(Spy(1 + axis), size, window_size=12, overlap=0.5, axes=crop.axes)
        expected = coordinates(shape, inside)[axis : axis + 1]
        torch.testing.assert_close(denoiser(crop.image, 0)[0], expected, atol=1e-5, rtol=0)
        assert torch.equal(crop.image, volume.image[(..., *inside)])
        assert torch.equal(crop.conditions, volume.conditions[(..., *inside)])


def test_a_padded_crop_continues_the_coordinates_of_the_whole_volume():
    network = Spy()
    crop = Volume(noise((30, 30, 30)), None, "chest", {}).crop([slice(5, 11)] * 3)
    windowed(network, (6, 6, 6), axes=crop.axes)(crop.image, 0)
    ((inputs, _, _),) = network.calls
    torch.testing.assert_close(inputs[0, 1, :, 0, 0], -1 + 2 / 29 * torch.arange(5, 13))


@pytest.mark.parametrize("channel", [4, 5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8])
def test_conditions_follow_the_coordinates_and_stay_in_place(channel, dtype):
    shape = (17, 14, 9)
    conditions = torch.randint(0, 120, (1, 2, *shape), generator=torch.Generator().manual_seed(0)).to(dtype)
    denoiser = windowed(Spy(channel), shape, conditions=conditions, window_size=8)
    expected = conditions[:, channel - 4 : channel - 3].float()
    torch.testing.assert_close(denoiser(noise(shape), 0), expected, atol=1e-4, rtol=0)


def test_without_conditions_the_anatomy_is_the_null_label():
    network = Spy()
    windowed(network, (8, 8, 8))(noise((8, 8, 8)), 0)
    assert network.calls[0][0].shape[1] == 5
    assert not network.calls[0][0][:, 4].any()


def test_timestep_and_region_arrive_once_per_window():
    network = Spy()
    windowed(network, (16, 8, 8), REGIONS[2], window_size=8, window_batch=3)(noise((16, 8, 8)), 87)
    ((inputs, timesteps, labels),) = network.calls
    assert len(inputs) == 3
    assert timesteps.tolist() == [87] * 3 and timesteps.dtype == torch.long
    assert labels.tolist() == [2] * 3 and labels.dtype == torch.long


def _convolution():
    """Two convolutions: zero padding makes the output depend on the window, not on the place."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv3d(1, 4, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv3d(4, 1, 3, padding=1)
    )
    return net.eval()


@pytest.mark.parametrize("overlap", [0.25, 0.5])
@pytest.mark.parametrize("shape", [(25, 31, 17), (16, 40, 16)])
def test_the_same_as_monais_sliding_window(overlap, shape):
    net, x = _convolution(), noise(shape)

    def network(x, timesteps, class_labels):
        return net(x[:, :1])

    denoiser = windowed(network, shape, window_size=16, overlap=overlap, precision="float32")
    with torch.no_grad():
        roi = denoiser.grid.roi_size
        expected = sliding_window_inference(x, roi, 1, net, overlap, mode="gaussian", sigma_scale=0.125)
    torch.testing.assert_close(denoiser(x, 0), expected, atol=1e-5, rtol=0)


def test_the_window_batch_does_not_change_the_result():
    net, x = _convolution(), noise((25, 31, 17))

    def network(x, timesteps, class_labels):
        return net(x[:, :1]) + x[:, 1:2]

    one, four = (
        windowed(network, x.shape[2:], window_size=16, window_batch=n, precision="float32")(x, 0)
        for n in (1, 4)
    )
    torch.testing.assert_close(one, four, atol=1e-6, rtol=0)


@pytest.mark.parametrize("precision", ["bfloat16", "float32"])
def test_the_network_runs_in_the_precision_asked_for_and_averages_are_float32(precision):
    net, x, seen = _convolution(), noise((9, 9, 9)), []

    def network(x, timesteps, class_labels):
        seen.append(net(x[:, :1]))
        return seen[-1]

    result = windowed(network, (9, 9, 9), window_size=8, precision=precision)(x, 0)
    assert {prediction.dtype for prediction in seen} == {getattr(torch, precision)}
    assert result.dtype == torch.float32


def test_progress_adds_up_to_one_evaluation():
    counts = []
    denoiser = windowed(Spy(), (33, 20, 20), window_size=16, window_batch=5)
    denoiser.on_progress = counts.append
    denoiser(noise((33, 20, 20)), 0)
    assert len(denoiser.grid.windows) == 12
    assert counts == pytest.approx([5 / 12, 5 / 12, 2 / 12])


def test_no_gradient_is_kept_and_the_input_is_not_changed():
    net, x = _convolution(), noise((9, 9, 9))
    before = x.clone()
    result = windowed(lambda x, timesteps, class_labels: net(x[:, :1]), (9, 9, 9), window_size=8)(x, 0)
    assert not result.requires_grad
    assert torch.equal(x, before)


@pytest.mark.parametrize("overlap", [-0.1, 1.0])
def test_an_impossible_overlap_is_refused(overlap):
    with pytest.raises(InputError, match=str(overlap)):
        Windows(overlap=overlap)


def _guided(x, timesteps, class_labels):
    """What follows from the image and a control channel, the anatomy's share, and the region's."""
    return x[:, :1] + x[:, 5:] + 0.01 * x[:, 4:5] + class_labels.reshape(-1, 1, 1, 1, 1)


@pytest.mark.parametrize("scale", [0, 0.25, 1, 2.0, 7.5])
def test_guidance_goes_from_the_unconditional_prediction_through_the_conditional_one(scale):
    shape, region = (17, 14, 9), 3
    generator = torch.Generator().manual_seed(0)
    anatomy = torch.randint(0, 120, (1, 1, *shape), generator=generator).float()
    control, x = noise(shape, 1), noise(shape, 2)
    options = {"window_size": 8, "conditions": torch.cat([anatomy, control], dim=1), "window_batch": 3}
    result = windowed(_guided, shape, REGIONS[region], guidance_scale=scale, **options)(x, 0)
    expected = x + control + scale * (0.01 * anatomy + region)
    torch.testing.assert_close(result, expected, atol=2e-5, rtol=0)


def test_guidance_of_one_is_no_guidance_bit_for_bit_and_costs_one_evaluation():
    net, x = _convolution(), noise((17, 14, 9))
    calls = []

    def network(x, timesteps, class_labels):
        calls.append(len(x))
        return net(x[:, :1]) + 0.3 * x[:, 4:5] + class_labels.reshape(-1, 1, 1, 1, 1)

    def run(**options):
        calls.clear()
        denoiser = windowed(
            network, (17, 14, 9), REGIONS[2], conditions=torch.ones_like(x), window_size=8, **options
        )
        return denoiser(x, 0), sum(calls) / len(denoiser.grid.windows)

    (plain, once), (one, again), (_, twice) = run(), run(guidance_scale=1.0), run(guidance_scale=1.5)
    assert torch.equal(plain, one)
    assert (once, again, twice) == (1, 1, 2)


def test_guidance_leaves_the_conditions_as_they_are():
    conditions = torch.full((1, 1, 8, 8, 8), 5.0)
    denoiser = windowed(Spy(), (8, 8, 8), conditions=conditions, guidance_scale=3.0)
    denoiser(noise((8, 8, 8)), 0)
    assert (conditions == 5).all() and (denoiser.conditions == 5).all()
