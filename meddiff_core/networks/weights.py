"""Load trained weights into a network, safely, with a sentence where they are missing."""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
from torch import nn

from meddiff_core.errors import InputError
from meddiff_core.flags import as_flag
from meddiff_core.networks.controlled_denoiser import ControlledDenoiser


def load_weights(
    network: nn.Module,
    path: str | Path | None,
    device: torch.device | str = "cpu",
    compile: bool = False,
) -> nn.Module:
    """Load a state dict into `network`, move it to `device` and set it to evaluation.

    Args:
        network: the network; the file's float16 values are widened to its float32.
        path: a state dict saved by `torch.save`, loaded with `weights_only=True`: it cannot run code. None
            keeps the weights that the network has.
        device: where the network should lie.
        compile: let torch compile it, for a GPU; takes minutes at the first windows.

    Raises:
        InputError: if the file is missing, damaged, or from another network.
    """
    if path is not None:
        _fit(network, read_state(path), path)
        network.eval()
    return _placed(network, device, compile)


def load_controlled_weights(
    network: ControlledDenoiser,
    foundation: str | Path | None,
    control: str | Path | None = None,
    device: torch.device | str = "cpu",
    compile: bool = False,
) -> ControlledDenoiser:
    """Load the foundation and the trained part of a network with a ControlNet.

    Args:
        network: the network.
        foundation: weights of the foundation; None keeps those that it has, for training from scratch.
        control: weights of the trained part, or of the whole network, which then overrule `foundation`; None
            starts the part from the foundation.
        device: where the network should lie.
        compile: see `load_weights`.

    Raises:
        InputError: if a file is missing, damaged, or from another network.
    """
    load_weights(network.foundation, foundation)
    if control is None:
        network.copy_foundation()
        return _placed(network, device, compile)
    state = read_state(control)
    whole = any(name.startswith("foundation.") for name in state)
    _fit(network if whole else network.control, state, control)
    return _placed(network.eval(), device, compile)


def _placed(network: nn.Module, device: torch.device | str, compile: bool | str) -> nn.Module:
    """The network on its device, in the layout that convolutions over volumes are fastest in."""
    network = network.to(device, memory_format=torch.channels_last_3d)
    return torch.compile(network) if as_flag("compile", compile) else network


def _fit(network: nn.Module, state: dict[str, torch.Tensor], path: str | Path) -> None:
    try:
        network.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise InputError(f"Weights {path} do not fit this network or are damaged: get them again.") from error


def read_state(path: str | Path) -> dict[str, torch.Tensor]:
    """The state dict in a file, loaded with `weights_only=True`: it cannot run code.

    Raises:
        InputError: if the file is missing or damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(
            f"Weights {path} are missing: get the bundle {path.parent.parent.name} with its models, or "
            "train it with its train.json, and name that bundle by foundation_root or bundle_root."
        )
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, TypeError, AttributeError) as error:
        raise InputError(f"Weights {path} are damaged: get them again.") from error
