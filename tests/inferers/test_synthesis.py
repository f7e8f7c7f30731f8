"""Synthesis with networks that know the answer: stages, statistics, seeds, geometry."""

from __future__ import annotations

import pytest
import torch
from grouped_options import grouped
from monai.data import MetaTensor, decollate_batch, list_data_collate

from meddiff_core.conditions.organ_hu import TissueHU
from meddiff_core.conditions.regions import region_id, region_window
from meddiff_core.diffusion.schedule import NoiseSchedule
from meddiff_core.errors import InputError
from meddiff_core.inferers.synthesis import SynthesisInferer

SCHEDULE = NoiseSchedule()
CHEST, ABDOMEN = region_window("chest"), region_window("abdomen")
SHAPE = (14, 12, 9)


def inferer(**options):
    plain = {"steps": 2, "guidance_scale": 1.0}
    image_size = options.pop("image_size", 8)
    tissue = {name: options.pop(name) for name in ("organ_hu", "contrast", "retries") if name in options}
    made = SynthesisInferer(SCHEDULE, tissue=TissueHU(**tissue), **grouped(**plain | options))
    made.image_size = image_size
    return made


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
    inferer(steps=3, window_size=8, overlap=0)(anatomy_map((16, 8, 6)), network)
    assert [tuple(x.shape[2:]) for x in network.inputs[:3]] == [(8, 8, 6)] * 3
    image_level, patch_level = network.timesteps[:3], network.timesteps[3:]
    assert image_level[0] == 999 and image_level == sorted(set(image_level), reverse=True)
    assert patch_level[0] == 800 and patch_level[::2] == patch_level[1::2]  # two windows
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


def test_the_narrow_stage_starts_from_the_wide_result(known_image, monkeypatch):
    wide = _wide_hu()
    network = known_image(chest=CHEST.to_unit(wide), abdomen=torch.zeros_like(wide))
    monkeypatch.setattr(SynthesisInferer, "refine_from", 100)
    inferer(image_size=64)(anatomy_map(wide.shape[2:], "abdomen"), network)
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


class TestOrganHU:
    """The data term: the mean HU of a label is what was asked for."""

    @pytest.mark.parametrize("region", ["chest", "abdomen"])
    def test_means_are_met_and_texture_stays(self, region):
        organ_hu = {"spleen": 120.0, "kidney_right": 30.0}
        labels = anatomy_map((32, 24, 24), region)
        moved = inferer(steps=30, organ_hu=organ_hu)(labels, Gaussian()).as_tensor()
        for part, hu in ((moved[:, :, :16], 120), (moved[:, :, 16:], 30)):
            assert float(part.mean()) == pytest.approx(hu, abs=1)
        if region == "chest":  # in the other, the image of the wide window is joined in
            assert float(moved[:, :, :16].std()) == pytest.approx(Gaussian.std * CHEST.width / 2, rel=0.15)

    def test_it_acts_at_every_step(self):
        """A network that follows its input would else take the way to its own mean."""
        network = Spy()
        inferer(steps=4, organ_hu={"spleen": 350.0})(anatomy_map((16, 12, 9)), network)
        lower = [float(x[:, :1, :4].mean()) for x in network.inputs if x.shape[2:] == (16, 12, 9)]
        assert lower[-1] > lower[0] + 0.3

    def test_a_lesion_is_not_moved(self):
        lesion = torch.zeros(1, 1, *SHAPE)
        lesion[:, :, 2:4, 4:6, 4:6] = 1
        labels = anatomy_map()
        inputs = MetaTensor(torch.cat([labels.as_tensor(), lesion], 1), meta={"region": "chest"})
        plain, moved = (
            inferer(steps=1, organ_hu=organ_hu)(inputs, Spy()).as_tensor()
            for organ_hu in (None, {"spleen": 300.0})
        )
        inside = lesion.bool()
        assert torch.equal(plain[inside], moved[inside])
        assert not torch.equal(plain, moved)

    def test_the_phase_of_the_table_and_its_refusals(self):
        result = inferer(contrast="portal")(anatomy_map(region="abdomen"), Gaussian()).as_tensor()
        assert float(result[:, :, :7].mean()) == pytest.approx(115, abs=1)  # spleen
        with pytest.raises(InputError, match="shows a head"):
            inferer(contrast="portal")(anatomy_map(region="head_neck"), Spy())
        with pytest.raises(InputError, match="map has none"):
            inferer(organ_hu="liver=100")(anatomy_map(), Spy())


class TestQuality:
    """A volume whose HU no scan has is sampled again."""

    def test_as_often_as_allowed_and_then_marked(self, caplog):
        network = Spy()  # leaves noise everywhere, so that every mean is right and the deviation is not
        labels = anatomy_map(region="chest", affine=torch.diag(torch.tensor([9.0, 9, 9, 1])))
        labels[:] = 119  # lung
        with caplog.at_level("INFO", logger="meddiff"):
            result = inferer(steps=1, retries=2, coarse_to_fine=False, organ_hu="lung=0")(labels, network)
        assert len(network.inputs) == 3
        assert not torch.equal(network.inputs[0][:, :1], network.inputs[1][:, :1])
        assert result.meta["unusual_hu"].startswith("lung ")
        assert caplog.text.count("Sampled again") == 2 and "Look at the result" in caplog.text

    def test_once_where_all_is_usual(self):
        network = Spy()
        labels = anatomy_map(region="chest", affine=torch.diag(torch.tensor([9.0, 9, 9, 1])))
        labels[:] = 119
        result = inferer(steps=1, retries=2, coarse_to_fine=False, contrast="none")(labels, network)
        assert len(network.inputs) == 1
        assert result.meta["unusual_hu"] == "none"
