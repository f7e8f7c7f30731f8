"""The network's faces: shapes, defaults, what each condition does, and what MONAI's ControlNet needs."""

from __future__ import annotations

import io

import pytest
import torch
from monai.networks.nets import ControlNet
from monai.networks.utils import copy_model_state, pixelshuffle

from meddiff_core.conditions.position import coordinates
from meddiff_core.conditions.regions import CLASSES
from meddiff_core.conditions.vocabulary import BODY, label_id
from meddiff_core.networks.condition_stem import ConditionStem, cells_of
from meddiff_core.networks.ct_denoiser import VARIANTS, CTDenoiser
from meddiff_core.physics.noise_spectrum import NoiseSpectrum

SHAPE = (16, 8, 8)


def patch(shape=SHAPE, label=5.0, batch=1):
    """Noisy image, coordinates, one anatomy label."""
    noisy = torch.randn(batch, 1, *shape, generator=torch.Generator().manual_seed(0))
    coords = coordinates(shape).expand(batch, -1, *shape)
    return torch.cat([noisy, coords, torch.full_like(noisy, label)], dim=1)


@pytest.fixture(scope="module")
def networks():
    """Both variants, no parameter left at zero."""
    made = {}
    for variant in VARIANTS:
        torch.manual_seed(0)
        made[variant] = CTDenoiser(variant).eval()
        for parameter in made[variant].parameters():
            if not parameter.any():
                torch.nn.init.normal_(parameter, std=0.1)
    return made


@pytest.fixture(params=VARIANTS)
def network(networks, request):
    return networks[request.param]


@torch.no_grad()
def test_the_image_alone_is_enough_and_means_time_zero_and_no_region(network):
    x = patch(batch=2)
    result = network(x)
    assert result.shape == (2, 1, *SHAPE)
    assert torch.isfinite(result).all()
    zeros = torch.zeros(2, dtype=torch.long)
    assert torch.equal(result, network(x, timesteps=zeros, class_labels=zeros))


@torch.no_grad()
@pytest.mark.parametrize(
    "change",
    ["image", "position", "anatomy", "time", "region"],
)
def test_every_condition_changes_the_output(network, change):
    x, t, region = patch(), torch.tensor([100]), torch.tensor([1])
    before = network(x, t, region)
    x = x.clone()
    if change == "image":
        x[:, 0] += 0.1
    if change == "position":
        x[:, 1:4] *= 0.5
    if change == "anatomy":
        x[:, 4] = 10
    if change == "time":
        t = t + 300
    if change == "region":
        region = region + 1
    assert float((network(x, t, region) - before).abs().mean()) > 1e-4


@torch.no_grad()
def test_control_channels_are_ignored(network):
    x = patch()
    more = torch.cat([x, torch.randn(1, 2, *SHAPE)], dim=1)
    assert torch.equal(network(more), network(x))


@torch.no_grad()
def test_items_of_a_batch_do_not_mix(network):
    x = patch(batch=2)
    t, region = torch.tensor([10, 900]), torch.tensor([1, 3])
    together = network(x, t, region)
    alone = torch.cat([network(x[i : i + 1], t[i : i + 1], region[i : i + 1]) for i in range(2)])
    torch.testing.assert_close(together, alone, atol=3e-5, rtol=1e-4)


def test_sides_that_cannot_be_halved_are_refused(network):
    assert network.divisor == 8
    with pytest.raises(ValueError, match=r"\(16, 12, 8\).*multiples of 8"):
        network(patch((16, 12, 8)))


def test_an_unknown_preset_is_refused():
    with pytest.raises(ValueError, match="huge"):
        CTDenoiser("huge")


def test_the_paper_preset_has_the_papers_numbers():
    options = VARIANTS["paper"]
    assert options["channels"] == tuple(32 * m for m in (1, 2, 4, 8))
    # 128^3 patches halved three times are 16^3
    assert options["attention_levels"] == (False, False, False, True)


@torch.no_grad()
def test_weights_survive_float16(networks):
    network = networks["compact"]
    file = io.BytesIO()
    torch.save({name: value.half() for name, value in network.state_dict().items()}, file)
    file.seek(0)
    other = CTDenoiser("compact").eval()
    other.load_state_dict(torch.load(file, weights_only=True))
    assert all(p.dtype == torch.float32 for p in other.parameters())
    x, t = patch(), torch.tensor([100])
    expected = network(x, t)
    assert float((other(x, t) - expected).abs().max()) < 0.01 * float(expected.abs().max())


@torch.no_grad()
def test_monais_controlnet_takes_the_networks_weights_and_starts_at_zero(networks):
    network = networks["compact"]
    options = {k: v for k, v in VARIANTS["compact"].items() if k not in ("factor", "detail_channels")}
    controlnet = ControlNet(
        spatial_dims=3,
        in_channels=network.context_input(patch()).shape[1],
        num_res_blocks=1,
        num_class_embeds=len(CLASSES),
        conditioning_embedding_in_channels=8,
        conditioning_embedding_num_channels=(16,),
        use_flash_attention=True,
        **options,
    )
    _, copied, missing = copy_model_state(controlnet, network.unet.state_dict())
    assert all(name.startswith("controlnet_") for name in missing)
    assert {"conv_in.conv.weight", "class_embedding.weight", "time_embed.0.weight"} <= set(copied)
    shared = network.unet.state_dict()
    for name, value in controlnet.state_dict().items():
        assert name.startswith("controlnet_") or torch.equal(value, shared[name]), name
    x, t, region = network.context_input(patch()), torch.tensor([100]), torch.tensor([1])
    down, middle = controlnet(x, t, torch.randn(1, 8, *x.shape[2:]), class_labels=region)
    assert not middle.any() and not any(d.any() for d in down)
    residuals = {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}
    plain = network.unet(x, t, class_labels=region)
    assert torch.equal(network.unet(x, t, class_labels=region, **residuals), plain)


@torch.no_grad()
def test_the_shared_embedding_is_the_unets_own(networks):
    network = networks["compact"]
    seen = []
    hook = network.unet.middle_block.register_forward_hook(
        lambda module, args, kwargs, output: seen.append(
            kwargs.get("temb", args[1] if len(args) > 1 else None)
        ),
        with_kwargs=True,
    )
    t, region = torch.tensor([321]), torch.tensor([2])
    network(patch(), t, region)
    hook.remove()
    expected = torch.nn.functional.silu(seen[0])
    torch.testing.assert_close(network.embedding(t, region), expected)


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_cells_are_the_inverse_of_pixelshuffle(factor):
    x = torch.randn(2, 3, 6, 12, 18)
    cells = cells_of(x, factor)
    assert cells.shape == (2, 3 * factor**3, 6 // factor, 12 // factor, 18 // factor)
    assert torch.equal(pixelshuffle(cells, 3, factor), x)


@torch.no_grad()
@pytest.mark.parametrize("factor", [1, 2])
def test_a_flip_of_all_channels_flips_the_conditions_features(factor):
    stem = ConditionStem(label_channels=8, num_frequencies=4, factor=factor)
    coords = coordinates((8, 6, 4))[None]
    anatomy = torch.randint(0, 12, (1, 1, 8, 6, 4), generator=torch.Generator().manual_seed(0)).float()
    labels = stem.embed(anatomy)
    for axis in (2, 3, 4):
        flipped = stem(coords.flip(axis), labels.flip(axis))
        torch.testing.assert_close(flipped, stem(coords, labels).flip(axis))


@torch.no_grad()
def test_a_cell_holds_the_mean_embedding_of_its_labels_and_its_centre():
    stem = ConditionStem(label_channels=8, num_frequencies=4, factor=2)
    anatomy = torch.zeros(1, 1, 2, 2, 2)
    anatomy[..., 0] = BODY
    features = stem(coordinates((2, 2, 2))[None], stem.embed(anatomy))
    assert features.shape == (1, stem.out_channels, 1, 1, 1)
    assert torch.equal(features[0, :3, 0, 0, 0], torch.zeros(3))
    torch.testing.assert_close(features[0, -8:, 0, 0, 0], stem.labels.weight[[0, BODY]].mean(dim=0))


@torch.no_grad()
def test_an_untrained_structure_is_its_coarse_class():
    stem = ConditionStem(label_channels=8, num_frequencies=4, factor=1)
    maps = [torch.full((1, 1, 2, 2, 2), label_id(name)) for name in ("lung_upper_lobe_left", "lung", "bone")]
    lobe, lung, bone = (stem.embed(labels) for labels in maps)
    assert torch.equal(lobe, lung) and not torch.equal(lobe, bone)


@torch.no_grad()
def test_position_can_be_raw_or_left_out():
    coords, labels = coordinates((2, 2, 2))[None], torch.zeros(1, 8, 2, 2, 2)
    raw = ConditionStem(label_channels=8, num_frequencies=0, factor=1)
    none = ConditionStem(label_channels=8, num_frequencies=None, factor=1)
    assert torch.equal(raw(coords, labels)[:, :3], coords) and raw.out_channels == 11
    assert torch.equal(none(coords, labels), none(coords.flip(2), labels)) and none.out_channels == 8


@torch.no_grad()
def test_far_voxels_reach_the_compact_network_through_the_context_only(networks):
    """The thin stream is local, so with the same context a change stays within its reach."""
    detail = networks["compact"].detail
    embedding = torch.zeros(1, detail.modulations[0].in_features)
    labels = torch.zeros(1, detail.label_weights.out_features, 32, 8, 8)
    context = torch.zeros(1, detail.join.in_channels - labels.shape[1], 32, 8, 8)
    noisy = torch.zeros(1, 1, 32, 8, 8)
    before = detail(noisy, context, labels, embedding)
    noisy[0, 0, 0, 4, 4] = 1.0
    changed = (detail(noisy, context, labels, embedding) - before).abs().amax(dim=(0, 1, 3, 4)) > 0
    reach = len(detail.convolutions) + 2
    assert changed[1] and not changed[reach + 1 :].any()


@torch.no_grad()
def test_the_code_of_white_noise_adds_nothing_and_that_of_coloured_noise_something(networks):
    network, x, t = networks["compact"], patch(), torch.tensor([100])
    expected = network(x, t)
    code = NoiseSpectrum.of_scanner((1.0, 1.0, 2.5)).code()[None]
    assert torch.equal(network(x, t, noise_code=torch.zeros_like(code)), expected)
    assert not torch.allclose(network(x, t, noise_code=code), expected)
    fresh = CTDenoiser().eval()
    assert torch.equal(fresh(x, t, noise_code=code), fresh(x, t))
