"""Anomaly maps with a network that knows what is to be expected, so that everything around it shows."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from grouped_options import grouped
from monai.data import MetaTensor, decollate_batch, list_data_collate

from meddiff_core.conditions.regions import region_window
from meddiff_core.diffusion.schedule import NoiseSchedule
from meddiff_core.errors import InputError
from meddiff_core.inferers.anomaly import AnomalyInferer

SCHEDULE = NoiseSchedule()
CHEST = region_window("chest")
SHAPE = (20, 18, 12)


def inferer(**options):
    plain = {"expectation": "global", "samples": 1, "smoothing": 0, "erosion": 0, "background": 0}
    return AnomalyInferer(SCHEDULE, **grouped(**plain | options))


def volume(hu, organ, spacing=(1, 1, 1), region="chest"):
    """Image, anatomy (label 5) and organ mask as the inferer takes them; `(X, Y, Z)` in."""
    image = CHEST.to_unit(torch.as_tensor(hu).float())
    channels = torch.stack([image, torch.full_like(image, 5), torch.as_tensor(organ).float()])
    affine = torch.diag(torch.tensor([*spacing, 1.0], dtype=torch.float64))
    return MetaTensor(channels[None], affine=affine, meta={"region": region})


def box(shape=SHAPE, margin=3):
    """An organ: a box with a margin in voxels."""
    organ = np.zeros(shape, dtype=bool)
    organ[tuple(slice(margin, n - margin) for n in shape)] = True
    return organ


def constant(hu, shape=SHAPE):
    """`(1, 1, X, Y, Z)` in the chest window's [-1, 1]."""
    return torch.full((1, 1, *shape), CHEST.to_unit(float(hu)))


class Echo:
    """Predicts v = 0: the expected image is what it sees, a little smaller, so the noise shows."""

    def __call__(self, x, timesteps, class_labels):
        return torch.zeros_like(x[:, :1])


@pytest.mark.parametrize("polarity", ["bright", "dark", "both"])
@pytest.mark.parametrize("options", [{}, {"timestep": 300}, {"window_size": 8, "overlap": 0.25}])
def test_the_difference_from_the_expected_image_within_the_organ(known_image, polarity, options):
    hu = np.random.default_rng(0).uniform(-1000, 300, SHAPE).astype(np.float32)
    expected = np.random.default_rng(1).uniform(-1000, 300, SHAPE).astype(np.float32)
    network = known_image(chest=CHEST.to_unit(torch.from_numpy(expected))[None, None])
    organ = box()
    result = inferer(polarity=polarity, **options)(volume(hu, organ), network)
    assert isinstance(result, MetaTensor)
    assert result.shape == (1, 1, *SHAPE) and result.dtype == torch.float32
    difference = {"bright": hu - expected, "dark": expected - hu, "both": abs(hu - expected)}[polarity]
    np.testing.assert_allclose(result.numpy()[0, 0], np.where(organ, difference, 0), atol=0.5)
    assert not result.numpy()[0, 0][~organ].any()


def test_what_lies_outside_the_window_is_compared_at_its_edge(known_image):
    hu = np.full(SHAPE, -500.0, dtype=np.float32)
    hu[8, 8, 6], hu[9, 8, 6] = 3000, -2000
    result = inferer(polarity="both")(volume(hu, box()), known_image(chest=constant(-500)))
    assert float(result[0, 0, 8, 8, 6]) == pytest.approx(CHEST.upper + 500, abs=0.1)
    assert float(result[0, 0, 9, 8, 6]) == pytest.approx(-500 - CHEST.lower, abs=0.1)


@pytest.mark.parametrize("polarity", ["bright", "both"])
def test_nothing_leaks_in_from_beside_the_organ(known_image, polarity):
    organ = box()
    hu = np.where(organ, 10.0, 400.0)  # bone all around
    result = inferer(polarity=polarity, smoothing=4.0)(volume(hu, organ), known_image(chest=constant(0)))
    np.testing.assert_allclose(result.numpy()[0, 0], np.where(organ, 10.0, 0), atol=0.05)


def test_smoothing_is_in_mm_along_every_axis(known_image):
    shape, spacing = (49, 33, 25), (0.75, 1.0, 1.5)
    hu = np.zeros(shape)
    hu[24, 16, 12] = 400
    network = known_image(chest=constant(0, shape))
    result = inferer(smoothing=3.0)(volume(hu, np.ones(shape), spacing), network)
    weights = result.numpy()[0, 0].clip(min=0).astype(float)
    for axis, (n, step) in enumerate(zip(shape, spacing, strict=True)):
        profile = weights.sum(axis=tuple(a for a in range(3) if a != axis))
        mm = (np.arange(n) - n // 2) * step
        assert np.sqrt((profile * mm**2).sum() / profile.sum()) == pytest.approx(3.0, rel=0.08)


def test_the_background_takes_off_what_is_the_same_all_over_the_organ(known_image):
    hu = np.full(SHAPE, 70.0)
    hu[4, 4, 4] += 100
    organ = np.ones(SHAPE, bool)
    shifted = inferer()(volume(hu, organ), known_image(chest=constant(0))).numpy()[0, 0]
    centred = inferer(background=30)(volume(hu, organ), known_image(chest=constant(0))).numpy()[0, 0]
    assert shifted[0, 0, 0] == pytest.approx(70, abs=0.5)
    assert centred[0, 0, 0] == pytest.approx(0, abs=1)
    assert centred[4, 4, 4] == pytest.approx(100, abs=1)


def test_erosion_is_in_mm_along_every_axis(known_image):
    organ = box((24, 20, 16), margin=4)
    organ[:, :, :4] = organ[:, :, 4:5]  # reaches the volume's border, which is no surface
    network = known_image(chest=constant(0, organ.shape))
    hu = np.full(organ.shape, 100.0)
    result = inferer(erosion=4.0)(volume(hu, organ, spacing=(1, 2, 4)), network).numpy()[0, 0]
    expected = np.zeros(organ.shape)
    expected[8:16, 6:14, :11] = 100
    np.testing.assert_allclose(result, expected, atol=0.1)


def test_an_organ_thinner_than_the_erosion_stays(known_image):
    organ = np.zeros(SHAPE, dtype=bool)
    organ[10] = True
    result = inferer(erosion=5)(volume(np.full(SHAPE, 50.0), organ), known_image(chest=constant(0)))
    np.testing.assert_allclose(result.numpy()[0, 0], np.where(organ, 50.0, 0), atol=0.1)


@pytest.mark.parametrize(
    ("timestep", "samples", "expected"),
    [(950, 1, {950: 1}), (950, 3, {950: 3}), ([950, 600, 300], 2, {950: 2, 600: 2, 300: 2})],
)
def test_one_evaluation_per_timestep_and_sample(known_image, timestep, samples, expected):
    network = known_image(chest=constant(0))
    inferer(timestep=timestep, samples=samples)(volume(np.zeros(SHAPE), box()), network)
    assert Counter(network.timesteps) == expected


def test_timesteps_and_samples_are_averaged():
    expected_at = {900: 200.0, 400: -100.0}

    def network(x, timesteps, class_labels):
        (t,) = timesteps.tolist()
        a = SCHEDULE.alpha(t)
        return (a.sqrt() * x[:, :1] - CHEST.to_unit(expected_at[t])) / (1 - a).sqrt()

    result = inferer(timestep=[900, 400], samples=2)(volume(np.full(SHAPE, 350.0), box()), network)
    np.testing.assert_allclose(result.numpy()[0, 0][box()], 350 - 50, atol=0.1)


def test_more_samples_leave_less_noise():
    item = volume(np.zeros(SHAPE), box())
    one, many = (inferer(timestep=500, samples=n)(item, Echo()).numpy()[0, 0][box()] for n in (1, 16))
    assert many.std() < 0.4 * one.std()


def test_the_network_sees_the_noisy_image_and_the_anatomy(known_image):
    network = known_image(chest=constant(0))
    hu = np.full(SHAPE, 3000.0)  # far beyond the window
    inferer(timestep=500, window_size=32)(volume(hu, box()), network)
    (x,) = network.inputs
    assert x.shape[1] == 5
    assert (x[:, 4] == 5).all()
    a = SCHEDULE.alpha(500)
    assert float(x[:, 0].mean()) == pytest.approx(float(a.sqrt()), abs=0.05)
    assert float(x[:, 0].std()) == pytest.approx(float((1 - a).sqrt()), rel=0.05)


def test_the_seed_decides_the_noise_and_one_inferer_serves_many_scans_alike():
    item = volume(np.zeros(SHAPE), box())
    one = inferer(seed=1, samples=2)
    first = one(item, Echo())
    assert one(item, Echo()).numpy().tobytes() == first.numpy().tobytes()
    assert not torch.equal(inferer(seed=2, samples=2)(item, Echo()).as_tensor(), first.as_tensor())


def test_the_input_and_the_global_generator_stay_as_they_were():
    item = volume(np.full(SHAPE, 3000.0), box())
    before, state = item.clone(), torch.get_rng_state()
    inferer()(item, Echo())
    assert torch.equal(item, before)
    assert torch.equal(torch.get_rng_state(), state)


def test_the_option_goes_before_the_metadata(known_image):
    network = known_image(abdomen=torch.zeros(1, 1, *SHAPE))
    item = volume(np.full(SHAPE, CHEST.level + 450), box())  # 0.5 of the half-width
    result = inferer(region="abdomen")(item, network)
    assert result.meta["region"] == "abdomen"
    np.testing.assert_allclose(result.numpy()[0, 0][box()], 90, atol=0.1)


def test_the_result_survives_collation_and_its_reverse():
    item = volume(np.zeros(SHAPE), box(), spacing=(1, 1, 4))[0]
    batch = list_data_collate([{"image": item}])
    batch["pred"] = inferer(erosion=4, polarity="both", smoothing=1)(batch["image"], Echo())
    (result,) = decollate_batch(batch)
    assert result["pred"].shape == (1, *SHAPE)
    assert result["pred"].meta["region"] == "chest"
    assert torch.equal(result["pred"].affine, item.affine)
    # eroded by 4 mm, a slice at each end and four voxels in plane: the collated affine counts
    inside = np.argwhere(result["pred"].numpy()[0])
    assert inside.min(axis=0).tolist() == [7, 7, 4] and inside.max(axis=0).tolist() == [12, 10, 7]


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_the_channels_are_counted(channels):
    with pytest.raises(InputError, match=rf"got {channels} channel\(s\): give image, anatomy and organ mask"):
        inferer()(torch.zeros(1, channels, 8, 8, 8), Echo())


@pytest.mark.parametrize(
    "options",
    [
        {"timestep": 0},
        {"timestep": 1000},
        {"timestep": "late"},
        {"samples": 0},
        {"samples": 1.5},
        {"polarity": "up"},
        {"expectation": "nearby"},
        {"smoothing": -1},
        {"smoothing": "much"},
        {"erosion": -0.5},
        {"background": -1},
        {"erosion": None},
        {"region": "leg"},
        {"overlap": -0.1},
    ],
)
def test_impossible_options_are_refused_by_name(options):
    ((name, value),) = options.items()
    with pytest.raises(InputError, match=name) as caught:
        inferer(**options)
    assert repr(value) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(("timestep", "wrong"), [([950, 1000], "1000"), ([], "None")])
def test_every_timestep_is_checked(timestep, wrong):
    with pytest.raises(InputError, match=f"timestep is {wrong}"):
        inferer(timestep=timestep)


class Surroundings:
    """Knows the image; keeps where it is clean, and the timesteps."""

    def __init__(self, image):
        self.image, self.shares, self.clean = image, [], []
        self.told = []

    def __call__(self, x, timesteps, class_labels, noise_code):
        t = int(timesteps[0])
        assert noise_code[0, -1] == 1
        same = (x[:, :1] - self.image).abs() < 1e-6
        self.shares.append(float(same.float().mean()))
        self.clean.append(same[0, 0])
        self.told.append(x[0, 4] > 0)
        a = SCHEDULE.alpha(t)
        return (a.sqrt() * x[:, :1] - self.image) / (1 - a).sqrt()


def test_local_noise_leaves_the_surroundings_clean_and_asks_for_every_voxel():
    shape, spacing = (40, 40, 24), (2.0, 2.0, 3.0)
    image = constant(-500, shape)
    network = Surroundings(image)
    organ = np.ones(shape, dtype=bool)
    result = inferer(expectation="local", window_size=64)(
        volume(np.full(shape, -500), organ, spacing), network
    )
    assert len(network.shares) == 27
    assert all(0.5 < share < 0.95 for share in network.shares)
    assert not torch.stack(network.clean).all(dim=0).any()
    assert all(torch.equal(told, clean) for told, clean in zip(network.told, network.clean, strict=True))
    np.testing.assert_allclose(result.numpy(), 0, atol=0.5)


def test_local_noise_is_taken_back_on_voxels_of_2_mm():
    shape = (64, 64, 40)
    network = Surroundings(constant(-500, (32, 32, 40)))
    organ = np.ones(shape, dtype=bool)
    item = volume(np.full(shape, -400), organ, spacing=(1.0, 1.0, 2.5))
    result = inferer(expectation="local", window_size=64)(item, network)
    assert result.shape == (1, 1, *shape)
    np.testing.assert_allclose(result.numpy(), 100, atol=0.5)
