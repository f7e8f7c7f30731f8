"""Denoising with a network that knows the answer, so that everything around it shows."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
from grouped_options import grouped
from monai.data import MetaTensor, decollate_batch, list_data_collate

from meddiff_core.conditions.regions import region_id, region_window
from meddiff_core.diffusion.schedule import NoiseSchedule
from meddiff_core.errors import InputError
from meddiff_core.inferers.denoising import DenoisingInferer
from meddiff_core.physics.low_dose import correlated_noise
from meddiff_core.physics.noise_spectrum import NoiseSpectrum
from meddiff_core.physics.scan_noise import ScanNoise

SCHEDULE = NoiseSchedule()
SHAPE = (18, 20, 17)


class Oracle:
    """Knows the clean volume, finds a window's part of it by the coordinates, and notes what it is given."""

    divisor = 4

    def __init__(self, clean: torch.Tensor) -> None:
        self.clean = clean
        self.timesteps, self.regions, self.inputs = [], [], []

    def __call__(self, x, timesteps, class_labels, noise_code=None):
        self.timesteps += timesteps.tolist()
        self.regions += class_labels.tolist()
        self.inputs.append(x)
        a = SCHEDULE.alpha(timesteps, x)
        sizes = torch.tensor(self.clean.shape[2:]).reshape(1, 3, 1, 1, 1)
        index = ((x[:, 1:4] + 1) / 2 * (sizes - 1)).round().long()
        i, j, k = torch.minimum(index, sizes - 1).unbind(dim=1)  # padding continues beyond the last voxel
        clean = self.clean[0, 0, i, j, k][:, None]
        return (a.sqrt() * x[:, :1] - clean) / (1 - a).sqrt()


def _clean(shape=SHAPE) -> torch.Tensor:
    axes = torch.meshgrid(*(torch.linspace(0, 3, n) for n in shape), indexing="ij")
    return 0.8 * torch.sin(axes[0] + axes[1]) * torch.cos(axes[2])[None, None]


@pytest.fixture
def clean():
    return _clean()


@pytest.fixture
def noisy(clean):
    noise = 0.15 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    return MetaTensor(clean + noise, meta={"region": "chest"})


def inferer(**options):
    return DenoisingInferer(SCHEDULE, **grouped(**{"noise_level": 135} | options))


class Echo:
    """Predicts v = 0: the clean image is what it sees, a little smaller, so everything shows."""

    def __init__(self) -> None:
        self.timesteps, self.regions, self.codes = [], [], []

    def __call__(self, x, timesteps, class_labels, noise_code=None):
        self.codes.append(noise_code)
        self.timesteps += timesteps.tolist()
        self.regions += class_labels.tolist()
        return torch.zeros_like(x[:, :1])


@pytest.mark.parametrize("steps", [1, 5])
@pytest.mark.parametrize("options", [{}, {"window_size": 8, "overlap": 0.5, "window_batch": 7}])
def test_a_network_that_knows_the_answer_gives_it(clean, noisy, steps, options):
    result = inferer(steps=steps, **options)(noisy, Oracle(clean))
    assert isinstance(result, MetaTensor)
    assert result.shape == clean.shape
    torch.testing.assert_close(result.as_tensor(), clean, atol=1e-4, rtol=0)


def test_the_network_sees_the_measurement_scaled_to_its_timestep(clean, noisy):
    oracle = Oracle(clean)
    inferer(window_size=32)(noisy, oracle)
    seen = oracle.inputs[0][0, 0, :18, :20, :17]
    expected = float(SCHEDULE.alpha(87)) ** 0.5 * noisy[0, 0].as_tensor()
    torch.testing.assert_close(seen, expected)


def test_values_far_outside_the_window_are_clipped_three_noise_levels_beyond_it():
    network = Oracle(torch.zeros(1, 1, 8, 8, 8))
    inferer(region="chest")(torch.full((1, 1, 8, 8, 8), 9.0), network)
    highest = float(network.inputs[0][:, 0].max()) / float(SCHEDULE.alpha(87)) ** 0.5
    assert highest == pytest.approx(1 + 3 * 0.15, abs=1e-4)


@pytest.mark.parametrize(
    ("region", "noise_level", "t"),
    [("chest", 135, 87), ("abdomen", 27, 87), ("head_neck", 30.0, 87), ("chest", 1e-3, 0)],
)
def test_hu_become_the_timestep_of_the_same_noise(noisy, region, noise_level, t):
    network = Echo()
    result = inferer(region=region, noise_level=noise_level)(0.5 * noisy, network)
    assert network.timesteps == [t]
    assert result.meta["noise_level"] == noise_level


def test_steps_descend_from_the_noise_of_the_input(noisy):
    network = Echo()
    inferer(steps=4)(0.5 * noisy, network)
    assert network.timesteps[0] == 87
    assert network.timesteps == sorted(network.timesteps, reverse=True)
    assert len(network.timesteps) == 4


@pytest.mark.parametrize(
    ("option", "meta", "expected"),
    [
        ("auto", {"region": "abdomen"}, "abdomen"),
        ("auto", {"region": ["abdomen"]}, "abdomen"),  # as a loader collates it
        ("auto", {}, "unknown"),
        ("chest", {"region": "abdomen"}, "chest"),
    ],
)
def test_the_region_is_the_option_or_the_metadata(clean, option, meta, expected):
    network = Echo()
    result = inferer(region=option)(MetaTensor(clean, meta=meta), network)
    assert network.regions == [region_id(expected)]
    assert result.meta["region"] == expected


def test_a_plain_tensor_will_do(clean):
    result = inferer()(clean, Oracle(clean))
    torch.testing.assert_close(result.as_tensor(), clean, atol=1e-4, rtol=0)


def test_the_anatomy_channel_reaches_the_network(clean, noisy):
    anatomy = torch.randint(0, 120, clean.shape, generator=torch.Generator().manual_seed(0)).float()
    oracle = Oracle(clean)
    result = inferer(window_size=32)(torch.cat([noisy, anatomy], dim=1), oracle)
    assert torch.equal(oracle.inputs[0][:, 4:, :18, :20, :17], anatomy)
    assert result.shape == clean.shape


def test_auto_finds_the_noise_within_the_body(caplog):
    hu = np.full((48, 48, 24), -1000.0, dtype=np.float32)
    hu[6:-6, 6:-6] = 40
    hu[6:-6, 6:-6] += np.random.default_rng(0).normal(0, 60, (36, 36, 24))
    image = region_window("chest").to_unit(torch.from_numpy(hu))[None, None]
    network = Echo()
    with caplog.at_level(logging.INFO, logger="meddiff"):
        result = inferer(noise_level="auto", region="chest")(image, network)
    assert result.meta["noise_level"] == pytest.approx(60, rel=0.05)
    assert network.timesteps == [SCHEDULE.nearest_timestep(result.meta["noise_level"] / 900)]
    assert "HU" in caplog.text and "1 step" in caplog.text


@pytest.mark.parametrize("slices", [24, 4, 2])
def test_the_network_is_told_the_spectrum_of_the_noise(slices, caplog):
    hu = np.full((96, 96, slices), 40, np.float32)
    noisy = correlated_noise(hu, 30, (1.0, 1.0, 3.0), 1)
    image = region_window("chest").to_unit(torch.from_numpy(noisy))[None, None]
    network = Echo()
    with caplog.at_level(logging.INFO, logger="meddiff"):
        result = inferer(noise_level="auto", region="chest")(image, network)
    assert result.meta["noise_level"] == pytest.approx(30, rel=0.15)
    if slices == 2:
        assert network.codes == [None] and "taken as white" in caplog.text
    else:
        expected = ScanNoise.estimate(noisy).code
        torch.testing.assert_close(network.codes[0][0], expected, atol=0.02, rtol=0)
        assert "correlated, estimated" in caplog.text


def test_a_given_spectrum_is_told_and_one_of_other_voxels_refused(noisy):
    network, spectrum = Echo(), NoiseSpectrum.of_scanner((1.0, 1.0, 1.0))
    inferer(spectrum=replace(spectrum, spacing=(1.0, 1.0, 1.0)))(0.5 * noisy, network)
    assert torch.equal(network.codes[0][0], spectrum.code())
    with pytest.raises(InputError, match=r"noise_spectrum was measured on voxels of 1.00 x 1.00 x 2.00 mm"):
        inferer(spectrum=replace(spectrum, spacing=(1.0, 1.0, 2.0)))(noisy, network)


def test_auto_on_a_scan_without_noise_or_body_takes_the_least():
    network = Echo()
    image = torch.full((1, 1, 8, 8, 8), -0.5)
    result = inferer(noise_level="auto", region="chest", skip_air=False)(image, network)
    assert network.timesteps == [0]
    assert result.meta["noise_level"] > 0
    assert torch.isfinite(result).all()


def test_one_inferer_serves_many_scans_alike(noisy):
    one = inferer(steps=3)
    assert torch.equal(one(noisy, Echo()).as_tensor(), one(noisy, Echo()).as_tensor())


def test_less_fidelity_keeps_more_of_the_measurement(clean, noisy):
    """A wrong prior: the network believes in an empty volume; the data term pulls towards the measurement."""
    seen = []

    def correlation(fidelity):
        oracle = Oracle(torch.zeros_like(clean))
        inferer(steps=3, fidelity=fidelity)(noisy, oracle)
        last = oracle.inputs[-1][0, 0, :18, :20, :17]
        seen.append(float((last * noisy[0, 0].as_tensor()).mean()))

    for fidelity in (100.0, 10.0, 1.0):
        correlation(fidelity)
    assert seen == sorted(seen)
    assert seen[0] < 0.5 * seen[-1]


@pytest.mark.parametrize(
    "options",
    [
        {"noise_level": 0},
        {"noise_level": -5.0},
        {"noise_level": float("nan")},
        {"noise_level": "much"},
        {"noise_level": True},
        {"fidelity": -1},
        {"fidelity": "high"},
        {"steps": 0},
        {"steps": 1.5},
        {"steps": "3"},
        {"overlap": 1.0},
        {"overlap": -0.1},
        {"window_batch": 0},
        {"region": "leg"},
        {"precision": "half"},
    ],
)
def test_impossible_options_are_refused_by_name(options):
    ((name, value),) = options.items()
    with pytest.raises(InputError, match=name) as caught:
        inferer(**options)
    assert repr(value) in str(caught.value)


def test_the_input_stays_as_it_was(noisy):
    before, meta = noisy.clone(), dict(noisy.meta)
    inferer(steps=3)(noisy, Echo())
    assert torch.equal(before, noisy)
    assert noisy.meta == meta


def test_the_result_survives_collation_and_its_reverse(clean):
    affine = torch.diag(torch.tensor([-1.5, -1.5, 2.0, 1.0], dtype=torch.float64))
    scan = MetaTensor(clean[0], affine=affine, meta={"region": "chest", "filename_or_obj": "a.nii.gz"})
    batch = list_data_collate([{"image": scan}])
    batch["pred"] = inferer()(batch["image"], Oracle(clean))
    (item,) = decollate_batch(batch)
    assert item["pred"].meta["noise_level"] == 135
    assert item["pred"].meta["region"] == "chest"
    assert item["pred"].shape == clean.shape[1:]
    assert item["image"].meta["filename_or_obj"] == "a.nii.gz"
    assert torch.equal(item["image"].affine, affine)
