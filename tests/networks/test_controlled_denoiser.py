"""A fresh ControlNet changes nothing; training changes none of the foundation; a condition then steers it."""

from __future__ import annotations

import hashlib

import pytest
import torch

from meddiff_core.errors import InputError
from meddiff_core.networks.controlled_denoiser import ControlledDenoiser
from meddiff_core.networks.ct_denoiser import VARIANTS, CTDenoiser
from meddiff_core.networks.weights import load_controlled_weights
from meddiff_core.training.weight_export import export_weights

SHAPE = (16, 8, 8)


def foundation(variant, seed=0):
    """A denoiser with no parameter left at zero."""
    torch.manual_seed(seed)
    network = CTDenoiser(variant).eval()
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return network


def inputs(channels=1, batch=2):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(batch, 5 + channels, *SHAPE, generator=generator)
    x[:, 4] = torch.randint(0, 120, (batch, *SHAPE), generator=generator).float()
    return x, torch.tensor([3, 950])[:batch], torch.tensor([1, 3])[:batch]


def digest(network):
    parts = [value.numpy().tobytes() for value in network.state_dict().values()]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def train_step(network, channels=1):
    """One step on everything that asks for a gradient; returns the parameters that got one."""
    network.train()
    x, t, region = inputs(channels)
    optimizer = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.001)
    network(x, t, region).square().mean().backward()
    optimizer.step()
    return [name for name, p in network.named_parameters() if p.grad is not None]


@pytest.fixture(params=VARIANTS)
def variant(request):
    return request.param


@torch.no_grad()
@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_fresh_one_is_the_foundation_bit_for_bit(variant, channels, autocast):
    base = foundation(variant)
    controlled = ControlledDenoiser(base, channels).eval()
    x, t, region = inputs(channels)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        assert torch.equal(controlled(x, t, region), base(x[:, :5], t, region))


def test_training_changes_the_branch_and_nothing_of_the_foundation(variant):
    base = foundation(variant)
    controlled = ControlledDenoiser(base)
    before, branch = digest(base), digest(controlled.control)
    trained = train_step(controlled)
    assert digest(base) == before
    assert digest(controlled.control) != branch
    assert trained and all(name.startswith("control.") for name in trained)


def test_every_trained_parameter_gets_a_gradient_once_the_zeros_are_gone(variant):
    """A layer without a gradient would be dead weight, and stops distributed training."""
    controlled = ControlledDenoiser(foundation(variant))
    for parameter in controlled.control.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    trained = train_step(controlled)
    assert set(trained) == {name for name, p in controlled.named_parameters() if p.requires_grad}


def test_from_scratch_trains_everything(variant):
    controlled = ControlledDenoiser(foundation(variant), freeze=False)
    before = digest(controlled.foundation)
    train_step(controlled)
    assert digest(controlled.foundation) != before


def test_a_condition_steers_each_preset_after_training(variant):
    controlled = ControlledDenoiser(foundation(variant))
    for _ in range(3):  # the condition passes two layers that start at zero, one step moves one of them
        train_step(controlled)
    controlled.eval()
    x, t, region = inputs()
    other = x.clone()
    other[:, 5] += 1
    with torch.no_grad():
        assert not torch.equal(controlled(x, t, region), controlled(other, t, region))


@torch.no_grad()
def test_the_foundations_own_input_is_legal():
    controlled = ControlledDenoiser(foundation("compact"))
    x, t, region = inputs()
    x[:, 5] = 0
    assert torch.equal(controlled(x[:, :5], t, region), controlled(x, t, region))
    assert controlled.divisor == controlled.foundation.divisor


def test_the_trained_part_alone_is_saved_and_found_again(tmp_path):
    made = ControlledDenoiser(foundation("compact"))
    train_step(made)
    export_weights(made.foundation, tmp_path / "foundation.pt")
    export_weights(made.control, tmp_path / "control.pt")
    export_weights(made, tmp_path / "whole.pt")
    x, t, region = inputs()
    results = []
    for control in ("control.pt", "whole.pt"):
        fresh = ControlledDenoiser(foundation("compact", seed=5))
        load_controlled_weights(fresh, tmp_path / "foundation.pt", tmp_path / control)
        with torch.no_grad():
            results.append(fresh(x, t, region))
    assert torch.equal(*results)
    with torch.no_grad():
        torch.testing.assert_close(results[0], made.eval()(x, t, region), atol=2e-2, rtol=2e-3)


def test_a_branch_starts_from_the_foundation_that_was_loaded(tmp_path):
    trained = foundation("compact", seed=7)
    export_weights(trained, tmp_path / "foundation.pt")
    network = load_controlled_weights(ControlledDenoiser(CTDenoiser()), tmp_path / "foundation.pt")
    ours, theirs = network.control.unet.conv_in.conv.weight, network.foundation.unet.conv_in.conv.weight
    assert torch.equal(ours, theirs)
    torch.testing.assert_close(ours, trained.unet.conv_in.conv.weight, atol=1e-3, rtol=0)
    assert torch.equal(
        network.control.detail.stream.conv_in.conv.weight, network.foundation.detail.conv_in.conv.weight
    )


def test_missing_and_wrong_weights_are_named(tmp_path):
    network = ControlledDenoiser(CTDenoiser())
    with pytest.raises(InputError, match=r"nowhere.pt are missing"):
        load_controlled_weights(network, None, tmp_path / "nowhere.pt")
    export_weights(torch.nn.Linear(2, 2), tmp_path / "other.pt")
    with pytest.raises(InputError, match=r"other.pt do not fit"):
        load_controlled_weights(network, None, tmp_path / "other.pt")
