"""Load trained weights into a network, safely, with a sentence where they are missing."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import torch
from torch import nn

from meddiff_core.errors import InputError, check_flag
from meddiff_core.files import check_sha256
from meddiff_core.networks.controlled_denoiser import ControlledDenoiser

UNREADABLE = (
    AttributeError,
    EOFError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
)
"""What torch raises of a file that is damaged, or none of its own."""

_FOUNDATION = "foundation."
"""How names begin that belong to the foundation in a whole `ControlledDenoiser`."""


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
        InputError: if the file is missing, damaged, not what its bundle names, or from another network, or if
            there is no such device.
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
        foundation: weights of the foundation, or of a whole network, whose foundation is taken; None keeps
            those that it has, for training from scratch.
        control: weights of the trained part, or of a whole network, and then `foundation` is not read; None
            starts the part from the foundation.
        device: where the network should lie.
        compile: see `load_weights`.

    Raises:
        InputError: if a file is missing, damaged, not what its bundle names, or from another network, or if
            there is no such device.
    """
    state = None if control is None else read_state(control)
    if state is not None and _foundation_part(state):
        _fit(network, state, control)
        return _placed(network.eval(), device, compile)
    if foundation is not None:
        whole = read_state(foundation)
        _fit(network.foundation, _foundation_part(whole) or whole, foundation)
    if state is None:
        network.copy_foundation()
        return _placed(network, device, compile)
    _fit(network.control, state, control)
    return _placed(network.eval(), device, compile)


def whole_state(
    foundation: dict[str, torch.Tensor], control: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """The state dict of a `ControlledDenoiser` from those of its two parts."""
    return {f"{_FOUNDATION}{name}": value for name, value in foundation.items()} | {
        f"control.{name}": value for name, value in control.items()
    }


def _foundation_part(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The foundation's state dict in that of a whole network; empty for one of a part."""
    return {
        name.removeprefix(_FOUNDATION): value for name, value in state.items() if name.startswith(_FOUNDATION)
    }


def _placed(network: nn.Module, device: torch.device | str, compile: bool | str) -> nn.Module:
    """The network on its device, in the layout that convolutions over volumes are fastest in."""
    try:
        network = network.to(device, memory_format=torch.channels_last_3d)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, AssertionError, TypeError) as error:  # torch has no one exception for it
        raise InputError(f"device is {str(device)!r}, which torch cannot use here: use cpu.") from error
    return torch.compile(network) if check_flag("compile", compile) else network


def _fit(network: nn.Module, state: dict[str, torch.Tensor], path: str | Path) -> None:
    try:
        network.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise InputError(f"Weights {path} do not fit this network or are damaged: get them again.") from error


def read_state(path: str | Path) -> dict[str, torch.Tensor]:
    """The state dict in a file, loaded with `weights_only=True`: it cannot run code.

    A file that its bundle's metadata.json names has to have the SHA-256 given there.

    Raises:
        InputError: if the file is missing, damaged, or not what its bundle names.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(
            f"Weights {path} are missing: get the bundle {path.parent.parent.name} with its models, or "
            "train it with its train.json, and name that bundle by foundation_root or bundle_root."
        )
    data = path.read_bytes()
    check_sha256(path, data)
    try:
        return dict(torch.load(io.BytesIO(data), map_location="cpu", weights_only=True))
    except UNREADABLE as error:
        raise InputError(f"Weights {path} are damaged: get them again.") from error
