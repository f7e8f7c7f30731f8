"""Load trained weights into a network, safely, with a sentence where they are missing."""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
from torch import nn

from meddiff_core.errors import InputError


def load_weights(
    network: nn.Module, path: str | Path | None, device: torch.device | str = "cpu"
) -> nn.Module:
    """Load a state dict into `network`, move it to `device` and set it to evaluation.

    Args:
        network: the network; the file's float16 values are widened to its float32.
        path: a state dict saved by `torch.save`, loaded with `weights_only=True`: it cannot run code. None
            keeps the weights that the network has.
        device: where the network should lie.

    Raises:
        InputError: if the file is missing, damaged, or from another network.
    """
    if path is None:
        return network.to(device)
    path = Path(path)
    if not path.is_file():
        raise InputError(
            f"Weights {path} are missing: get the ct_foundation bundle with its models folder, or train it "
            "with the train.json of that bundle, and set foundation_root to it."
        )
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict(state)
    except (RuntimeError, pickle.UnpicklingError, EOFError, TypeError, AttributeError) as error:
        raise InputError(f"Weights {path} do not fit this network or are damaged: get them again.") from error
    return network.to(device).eval()
