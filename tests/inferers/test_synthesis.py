"""Synthesis with networks that know the answer: stages, statistics, seeds, geometry."""

from __future__ import annotations

import pytest
import torch
from grouped_options import grouped
from monai.data import MetaTensor, decollate_batch, list_data_collate

from meddiff_core.conditions.regions import region_id, region_window
from meddiff_core.diffusion.schedule import NoiseSchedule
from meddiff_core.errors import InputError
from meddiff_core.inferers.synthesis import SynthesisInferer

SCHEDULE = NoiseSchedule()
CHEST, ABDOMEN = region_window("chest"), region_window("abdomen")
SHAPE = (14, 12, 9)


def inferer(**options):
    plain = {"steps": 2, "image_size": 8, "guidance_scale": 1.0}
    return SynthesisInferer(SCHEDULE, **grouped(**plain | options))


def anatomy_map(shape=SHAPE, region="chest", **meta):
    """Label 1 in the lower half of the first axis, 2 in the upper."""
    labels = torch.ones(1, 1, *shape)
    labels[:, :, shape[0] // 2 :] = 2
    return MetaTensor(labels, meta={"region": region} | meta)


class Spy:
    """Predicts v = 0 and notes its inputs: nothing of the noise is taken away, so the seed shows."""

    def __init__(self) -> None:
        self.inputs, self.timesteps, self.regions = [], [], []

    def __call__(self, x, timesteps, class_labels):
        self.inputs.append(x.clone())
        self.timesteps += timesteps.tolist()
        self.regions += class_labels.tolist()
        return torch.zeros_like(x[:, :1])


class Gaussian:
    """The exact denoiser of voxels from N(mean of their label, STD^2)."""

    means, std = torch.tensor([0.0, -0.4, 0.3]), 0.15

    def __call__(self, x, timesteps, class_labels):
        x_t, mean, variance = x[:, :1].double(), self.means[x[:, 4:5].long()].double(), self.std**2
        a = SCHEDULE.alpha(timesteps, x).double()
        x0 = mean + a.sqrt() * variance / (a * variance + 1 - a) * (x_t - a.sqrt() * mean)
        return ((a.sqrt() * x_t - x0) / (1 - a).sqrt()).float()


# What is left of the deviation's error is of the solver's order, and what the last step takes off as noise.
@pytest.mark.parametrize(
    ("shape", "options", "tolerance"),
    [
        ((40, 32, 32), {"solver": "dpm_solver", "steps": 40, "coarse_to_fine": True, "image_size": 20}, 0.06),
        ((40, 32, 32), {"solver": "dpm_solver", "steps": 80, "coarse_to_fine": False}, 0.06),
        ((40, 32, 32), {"solver": "dpm_solver", "steps": 40, "window_size": 24, "overlap": 0.25}, 0.06),
        ((32, 24, 24), {"steps": 250, "coarse_to_fine": False, "solver": "ddpm"}, 0.08),
        ((32, 24, 24), {"steps": 150, "solver": "ddpm", "image_size": 16}, 0.08),
    ],
)
def test_a_gaussian_comes_out_with_the_mean_and_deviation_of_its_label(shape, options, tolerance):
    result = inferer(**options)(anatomy_map(shape), Gaussian())
    unit, middle = CHEST.to_unit(result.as_tensor()), shape[0] // 2
    for label, part in ((1, unit[:, :, : middle - 4]), (2, unit[:, :, middle + 4 :])):
        assert float(part.mean()) == pytest.approx(float(Gaussian.means[label]), abs=0.01)
        assert float(part.std()) == pytest.approx(Gaussian.std, rel=tolerance)


def test_image_level_then_patch_level():
    network = Spy()
    inferer(steps=3, window_size=8, overlap=0, refine_from=300)(anatomy_map((16, 8, 6)), network)
    assert [tuple(x.shape[2:]) for x in network.inputs[:3]] == [(8, 8, 6)] * 3
    image_level, patch_level = network.timesteps[:3], network.timesteps[3:]
    assert image_level[0] == 999 and image_level == sorted(set(image_level), reverse=True)
    assert patch_level[0] == 300 and patch_level[::2] == patch_level[1::2]  # two windows
    assert patch_level[::2] == sorted(set(patch_level), reverse=True) and len(patch_level) == 6
    # each stage has the whole volume's coordinates and its labels
    for first, last in ((network.inputs[0],) * 2, network.inputs[3:5]):
        ends = [float(first[0, 1, 0, 0, 0]), float(last[0, 1, -1, 0, 0])]
        assert ends == pytest.approx([-1, 1])
        assert first[0, 4, 0, 0, 0] == 1 and last[0, 4, -1, 0, 0] == 2


def test_patch_level_alone_starts_from_noise():
    network = Spy()
    inferer(coarse_to_fine=False)(anatomy_map(), network)
    assert network.timesteps[0] == 999 and len(network.timesteps) == 2
    assert {tuple(x.shape[2:]) for x in network.inputs} == {SHAPE}
    start = network.inputs[0][:, :1]
    assert float(start.std()) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(
    ("region", "stages"),
    [
        ("chest", ["chest"]),
        ("unknown", ["unknown"]),
        ("abdomen", ["chest", "abdomen"]),
        ("head_neck", ["chest", "head_neck"]),
    ],
)
def test_the_widest_window_first_then_the_regions_own(region, stages):
    network = Spy()
    result = inferer(steps=1)(anatomy_map(region=region), network)
    assert list(dict.fromkeys(network.regions)) == [region_id(stage) for stage in stages]
    assert result.meta["region"] == region


def test_the_option_goes_before_the_maps_region():
    assert inferer(region="chest")(anatomy_map(region="abdomen"), Spy()).meta["region"] == "chest"


def _wide_hu():
    """From -1000 to 400 HU along the first axis: below, within and above the abdomen window."""
    return torch.linspace(-1000, 400, 57).reshape(1, 1, -1, 1, 1).expand(1, 1, 57, 4, 3).contiguous()


@pytest.mark.parametrize("coarse_to_fine", [True, False])
def test_outside_a_narrow_window_the_wide_result_stays(known_image, coarse_to_fine):
    wide = _wide_hu()
    narrow = 0.97 * ABDOMEN.to_unit(wide).clamp(-1, 1)
    network = known_image(chest=CHEST.to_unit(wide), abdomen=narrow)
    labels = anatomy_map(wide.shape[2:], "abdomen")
    result = inferer(coarse_to_fine=coarse_to_fine, image_size=64)(labels, network).as_tensor()
    inside = (wide > ABDOMEN.lower + 20) & (wide < ABDOMEN.upper - 20)
    far = (wide < ABDOMEN.lower - 20) | (wide > ABDOMEN.upper + 20)
    torch.testing.assert_close(result[far], wide[far], atol=1e-2, rtol=0)
    torch.testing.assert_close(result[inside], ABDOMEN.to_hu(narrow[inside]), atol=1e-2, rtol=0)


def test_there_is_no_seam_at_the_windows_edge(known_image):
    wide = _wide_hu()
    narrow = ABDOMEN.to_unit(wide).clamp(-1, 1)
    network = known_image(chest=CHEST.to_unit(wide), abdomen=narrow)
    result = inferer(image_size=64)(anatomy_map(wide.shape[2:], "abdomen"), network)
    torch.testing.assert_close(result.as_tensor(), wide, atol=2e-2, rtol=0)


def test_the_narrow_stage_starts_from_the_wide_result(known_image):
    wide = _wide_hu()
    network = known_image(chest=CHEST.to_unit(wide), abdomen=torch.zeros_like(wide))
    inferer(refine_from=100, image_size=64)(anatomy_map(wide.shape[2:], "abdomen"), network)
    first = network.regions.index(region_id("abdomen"))
    seen, a = network.inputs[first][:, :1], SCHEDULE.alpha(100)
    assert network.timesteps[first] == 100
    difference = seen - a.sqrt() * ABDOMEN.to_unit(wide).clamp(-1, 1)
    assert float(difference.mean()) == pytest.approx(0, abs=0.03)
    assert float(difference.std()) == pytest.approx(float((1 - a).sqrt()), rel=0.1)


@pytest.mark.parametrize("guidance_scale", [1.0, 2.0])
def test_without_anatomy_no_label_is_passed(guidance_scale):
    network = Spy()
    options = {"guidance_scale": guidance_scale, "region": "abdomen"}
    inferer(use_anatomy=False, **options)(anatomy_map(), network)
    assert not any(x[:, 4].any() for x in network.inputs)
    network = Spy()
    inferer(use_anatomy=True, **options)(anatomy_map(), network)
    assert [bool(x[:, 4].any()) for x in network.inputs[:2]] == [True, guidance_scale == 1]


@pytest.mark.parametrize("region", ["chest", "abdomen"])
def test_guidance_reaches_every_stage(region):
    """Its share of the prediction is the label's; the network is not called more often than needed."""
    calls = []

    def network(x, timesteps, class_labels):
        calls.append(class_labels.tolist())
        return torch.zeros_like(x[:, :1])

    inferer(steps=1)(anatomy_map(region=region), network)
    once = list(calls)
    calls.clear()
    inferer(steps=1, guidance_scale=3)(anatomy_map(region=region), network)
    assert calls[::2] == once
    assert calls[1::2] == [[0]] * len(once)


def test_control_channels_follow_the_anatomy_at_every_level():
    network, labels = Spy(), anatomy_map((16, 8, 6))
    control = 10 * labels
    inferer(use_anatomy=False)(torch.cat([labels, control], dim=1), network)
    for x in network.inputs:
        assert x.shape[1] == 6
        assert x[0, 5, 0, 0, 0] == 10 and x[0, 5, -1, 0, 0] == 20


@pytest.mark.parametrize("options", [{}, {"solver": "ddpm"}, {"coarse_to_fine": False}])
@pytest.mark.parametrize("region", ["chest", "abdomen"])
def test_the_seed_and_the_sample_decide_the_noise(options, region):
    def run(seed, **meta):
        return inferer(seed=seed, **options)(anatomy_map(region=region, **meta), Spy()).as_tensor()

    first = run(3)
    assert run(3).numpy().tobytes() == first.numpy().tobytes()
    assert torch.equal(run(3, sample=0), first)
    assert not torch.equal(run(3, sample=2), first)
    assert torch.equal(run(3, sample=2), run(5))
    assert torch.equal(run(3, sample=torch.tensor([2])), run(5))  # as a loader collates it
    assert torch.equal(run(3, sample=[2]), run(5))


def test_the_global_generator_is_left_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    inferer(solver="ddpm")(anatomy_map(region="abdomen"), Spy())
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("coarse_to_fine", [True, False])
@pytest.mark.parametrize("shape", [SHAPE, (9, 30, 8), (8, 8, 8)])
def test_the_result_has_the_maps_grid(shape, coarse_to_fine):
    affine = torch.tensor([[0, -1.5, 0, 7], [0.7, 0, 0.1, 8], [0.1, 0, -2, 9], [0, 0, 0, 1]]).double()
    meta = {"region": "abdomen", "filename_or_obj": "map.nii.gz", "sample": 1, "number": "2"}
    labels = MetaTensor(anatomy_map(shape)[0].as_tensor(), affine=affine, meta=meta)
    batch = list_data_collate([{"image": labels}])
    batch["pred"] = inferer(coarse_to_fine=coarse_to_fine)(batch["image"], Spy())
    assert batch["pred"].shape == (1, 1, *shape) and batch["pred"].dtype == torch.float32
    (item,) = decollate_batch(batch)
    assert torch.equal(item["pred"].affine, affine)
    assert item["pred"].meta["filename_or_obj"] == "map.nii.gz"
    assert item["pred"].meta["number"] == "2"


def test_the_input_stays_as_it_was():
    labels = anatomy_map(region="abdomen")
    before, meta = labels.clone(), dict(labels.meta)
    inferer(guidance_scale=2, use_anatomy=False)(labels, Spy())
    assert torch.equal(labels, before) and labels.meta == meta


def test_hu_lie_within_the_widest_window():
    result = inferer()(anatomy_map(region="abdomen"), Spy())
    assert CHEST.lower <= float(result.min()) and float(result.max()) <= CHEST.upper


@pytest.mark.parametrize(
    "options",
    [
        {"steps": 0},
        {"steps": 2.5},
        {"guidance_scale": -1},
        {"guidance_scale": "strong"},
        {"guidance_scale": float("nan")},
        {"image_size": 4},
        {"refine_from": -1},
        {"refine_from": 1000},
        {"solver": "euler"},
        {"region": "leg"},
        {"overlap": 1.0},
        {"window_batch": 0},
        {"precision": "half"},
    ],
)
def test_impossible_options_are_refused_by_name(options):
    ((name, value),) = options.items()
    with pytest.raises(InputError, match=name) as caught:
        inferer(**options)
    assert repr(value) in str(caught.value) and "\n" not in str(caught.value)
