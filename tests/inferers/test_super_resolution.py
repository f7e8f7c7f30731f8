"""Super-resolution with a network that knows the answer, so that what is around it shows."""

from __future__ import annotations

import pytest
import torch
from grouped_options import grouped
from monai.data import MetaTensor, list_data_collate

from meddiff_core.conditions.regions import region_window
from meddiff_core.diffusion.data_terms import SLICE_NOISE, SlabDataTerm
from meddiff_core.diffusion.schedule import NoiseSchedule
from meddiff_core.errors import InputError
from meddiff_core.inferers.super_resolution import SuperResolutionInferer
from meddiff_core.physics.slab_layout import SlabLayout

SCHEDULE = NoiseSchedule()
SHAPE, LAYOUT = (12, 10, 20), SlabLayout(4, 5.0)


@pytest.fixture
def thin() -> torch.Tensor:
    """A volume `(1, 1, X, Y, Z)` in [-0.5, 0.5], so that its interpolation does not leave [-1, 1]."""
    return torch.rand(1, 1, *SHAPE, generator=torch.Generator().manual_seed(0)) - 0.5


def inputs(thin):
    """What the preprocessing makes of the thick slices of `thin`, as a batch of one."""
    slabs = LAYOUT.means(SHAPE[-1])
    channels = slabs.upsample(slabs.thick(thin))[0]
    meta = {"region": "chest", "filename_or_obj": "scan.nii"} | LAYOUT.to_meta()
    return list_data_collate([{"image": MetaTensor(channels, meta=meta)}])["image"]


def infer(network, image, **options):
    return SuperResolutionInferer(SCHEDULE, **grouped(precision="float32", **options))(image, network)


def test_one_step_gives_what_the_network_sees_in_the_mean_of_the_noise(thin, known_image):
    network = known_image(chest=thin)
    result = infer(network, inputs(thin))
    torch.testing.assert_close(result.as_tensor(), thin, atol=1e-3, rtol=0)
    assert network.timesteps == [999]
    assert result.meta["region"] == "chest"
    assert not network.inputs[0][:, 0].any()


def test_several_steps_start_from_pure_noise(thin, known_image):
    network = known_image(chest=thin)
    torch.testing.assert_close(infer(network, inputs(thin), steps=3).as_tensor(), thin, atol=1e-3, rtol=0)
    noisy = network.inputs[0][:, 0]
    assert abs(float(noisy.mean())) < 0.1 and float(noisy.std()) == pytest.approx(1, abs=0.05)


def test_the_condition_is_the_clipped_input_behind_no_anatomy(thin, known_image):
    network, image = known_image(chest=thin, full=thin), inputs(3 * thin)
    infer(network, image)
    seen, of_all_hu = network.inputs[0], network.inputs[-1]
    assert seen.shape[1] == 6
    assert not seen[:, 4].any()
    torch.testing.assert_close(seen[:, 5], image[:, 0].as_tensor().clamp(-1, 1))
    hu = region_window("chest").to_hu(image[:, 0].as_tensor())
    torch.testing.assert_close(of_all_hu[:, 5], region_window("full").to_unit(hu).clamp(-1, 1))


def test_what_lies_outside_the_window_comes_from_the_class_of_all_hu(thin, known_image):
    bone = thin + 0.5
    bone[..., 8:14] += 2.0
    full = region_window("full").to_unit(region_window("chest").to_hu(bone))
    result = infer(known_image(chest=bone.clamp(-1, 1), full=full), inputs(bone))
    torch.testing.assert_close(result.as_tensor(), bone, atol=2e-3, rtol=0)


def test_windows_see_their_own_part_of_the_condition(thin, known_image):
    network = known_image(chest=thin)
    result = infer(network, inputs(thin), window_size=8, overlap=0.25)
    assert len(network.inputs) > 4
    torch.testing.assert_close(result.as_tensor(), thin, atol=1e-3, rtol=0)


def test_steps_are_drawn_towards_the_slices(thin, known_image):
    """A network that is wrong by a constant: the data step takes the constant out of what it sees next."""
    slabs = LAYOUT.means(SHAPE[-1])
    wrong = known_image(chest=(0.5 * thin + 0.3))
    infer(wrong, inputs(0.5 * thin), steps=4, fidelity=0.0)
    free = known_image(chest=(0.5 * thin + 0.3))
    infer(free, inputs(0.5 * thin), steps=4, fidelity=1e9)
    t = wrong.timesteps[-1]
    assert wrong.timesteps == free.timesteps and len(wrong.timesteps) == 4
    # the same noise is in both, so their difference is the correction
    change = (free.inputs[-1] - wrong.inputs[-1])[:, :1] / SCHEDULE.alpha(t).sqrt()
    assert float(slabs.thick(change).mean()) > 0.1


def test_the_data_step_is_the_exact_one_of_equation_12(thin):
    slabs = LAYOUT.means(SHAPE[-1])
    measured = slabs.thick(thin) + 0.1
    for t in (5, 500, 950):
        rho = 10 * SLICE_NOISE**2 / float(SCHEDULE.sigma(t)) ** 2
        wanted = thin + 0.1 / (1 + 5 * rho)
        found = SlabDataTerm(SCHEDULE, slabs, measured, fidelity=10)(thin, t)
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)


def test_same_seed_same_bytes(thin, known_image):
    image, inputs_of = inputs(thin), {}
    for name, options in {"a": {}, "b": {}, "seed": {"seed": 1}}.items():
        network = known_image(chest=0.5 * thin)
        infer(network, image, steps=3, **options)
        inputs_of[name] = network.inputs[-1]
    assert torch.equal(inputs_of["a"], inputs_of["b"])
    assert not torch.equal(inputs_of["a"], inputs_of["seed"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"steps": 0}, "steps is 0"),
        ({"fidelity": -1}, "fidelity is -1"),
    ],
)
def test_an_option_out_of_range_is_named(options, words):
    with pytest.raises(InputError, match=words):
        SuperResolutionInferer(SCHEDULE, **grouped(**options))


def test_an_image_that_did_not_come_from_thick_slices_is_a_bug(thin, known_image):
    with pytest.raises(ValueError, match="ThinSlicesd makes them"):
        infer(known_image(chest=thin), thin)
