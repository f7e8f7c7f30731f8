"""How loaded networks lie in memory, and what is known of them after torch has compiled them."""

from __future__ import annotations

import pytest
import torch

from meddiff_core.errors import InputError
from meddiff_core.networks.controlled_denoiser import ControlledDenoiser
from meddiff_core.networks.ct_denoiser import VARIANTS, CTDenoiser
from meddiff_core.networks.weights import load_controlled_weights, load_weights

LOADERS = {
    "foundation": lambda **options: load_weights(CTDenoiser(), None, **options),
    "controlled": lambda **options: load_controlled_weights(
        ControlledDenoiser(CTDenoiser()), None, **options
    ),
}


@pytest.mark.parametrize("kind", LOADERS)
def test_weights_lie_as_convolutions_want_them(kind):
    network = LOADERS[kind]()
    large = [p for p in network.parameters() if p.ndim == 5 and p.shape[1] > 1 and p.shape[2] > 1]
    assert large
    assert all(p.is_contiguous(memory_format=torch.channels_last_3d) for p in large)


@pytest.mark.parametrize("kind", LOADERS)
def test_a_compiled_network_still_says_what_windows_it_takes(kind):
    network = LOADERS[kind](compile="true")
    plain = network._orig_mod
    assert (network.divisor, network.activation_bytes) == (plain.divisor, plain.activation_bytes)
    assert LOADERS[kind](compile=False).divisor == plain.divisor


def test_compile_is_on_or_off():
    with pytest.raises(InputError, match="compile is 'fast': use true or false"):
        LOADERS["foundation"](compile="fast")


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_control_takes_more_memory_and_half_precision_less(variant):
    alone = CTDenoiser(variant)
    controlled = ControlledDenoiser(alone).activation_bytes
    for dtype, taken in alone.activation_bytes.items():
        assert taken < controlled[dtype]
    assert alone.activation_bytes[torch.bfloat16] < alone.activation_bytes[torch.float32]
