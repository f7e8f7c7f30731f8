"""Feature vectors of CT volumes for FID and MMD."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator
from math import ceil
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from monai.data.utils import dense_patch_slices
from monai.networks.nets import resnet
from torch import nn
from torch.nn import functional as F

from meddiff_core.conditions.regions import WIDEST_WINDOW
from meddiff_core.errors import InputError

_BLOCK = 64
_DIVISOR = 8
# Hardly any noise is expected there (sqrt of the cumulative alpha is 0.999), so a clean image fits.
_TIMESTEP = 20


class FeatureExtractor(Protocol):
    """Turns a CT `(X, Y, Z)` in HU into `(n, d)` features, one vector per block; `name` says by what.

    A block has 64 voxels per axis, or the whole axis where it is shorter; the last one is shifted to end at
    the border. 122 x 101 x 112 voxels make n = 8 vectors, 512 x 512 x 200 make 256.
    """

    name: str

    def __call__(self, hu: np.ndarray) -> torch.Tensor: ...


class FoundationFeatures:
    """Mean activation of the foundation's bottleneck (96 features in the compact variant).

    Taken where its last convolution reads: normalised and past the nonlinearity, while the block's output is
    almost linear in the image, and of the order of 10 000. Position, anatomy and region are null for every
    block, so the features follow from the image alone.

    They tell anatomy, shapes and HU apart and hardly see noise and texture, as is the way of a denoiser. A
    relative measure, not comparable to published values.

    Args:
        network: `CTDenoiser` with trained weights.
    """

    name = "foundation bottleneck"

    def __init__(self, network: nn.Module) -> None:
        self.network = network

    @torch.no_grad()
    def __call__(self, hu: np.ndarray) -> torch.Tensor:
        device = next(self.network.parameters()).device
        vectors: list[torch.Tensor] = []
        hook = self.network.unet.middle_block.resnet_2.norm2.register_forward_hook(
            lambda module, args, output: vectors.append(F.silu(output.float()).mean(dim=(2, 3, 4)))
        )
        try:
            for block in _blocks(hu):
                x = torch.cat([block, block.new_zeros(1, 4, *block.shape[2:])], dim=1).to(device)
                timesteps = torch.full((1,), _TIMESTEP, device=device)
                region = torch.zeros(1, dtype=torch.long, device=device)
                self.network.unet(self.network.context_input(x), timesteps, class_labels=region)
        finally:
            hook.remove()
        return torch.cat(vectors).cpu()


class MedicalNetFeatures:
    """Last features of a MedicalNet ResNet (Chen et al., "Med3D", 2019), averaged over the block.

    Args:
        weights: checkpoint of MedicalNet; its name tells the depth, as in `resnet_10_23dataset.pth`.
        device: where to run.

    Raises:
        InputError: the file is missing, is no such checkpoint, or its name tells no depth.
    """

    def __init__(self, weights: str | Path, device: torch.device | str = "cpu") -> None:
        self.device = device
        found = re.search(r"resnet_?(10|18|34|50)(?!\d)", Path(weights).name)
        if not found:
            raise InputError(
                f"{weights} tells no depth: name MedicalNet's file like resnet_10_23dataset.pth."
            )
        self.name = f"MedicalNet ResNet-{found[1]}"
        bias, shortcut = resnet.get_medicalnet_pretrained_resnet_args(int(found[1]))
        self.network = getattr(resnet, f"resnet{found[1]}")(
            spatial_dims=3,
            n_input_channels=1,
            feed_forward=False,
            bias_downsample=bias,
            shortcut_type=shortcut,
        )
        try:
            state = torch.load(weights, map_location="cpu", weights_only=True)
            state = state.get("state_dict", state)
            self.network.load_state_dict({key.removeprefix("module."): v for key, v in state.items()})
        except (OSError, RuntimeError, pickle.UnpicklingError, EOFError, AttributeError) as error:
            raise InputError(f"{weights} is no checkpoint of {self.name}: get it from MedicalNet.") from error
        self.network.to(device).eval()

    @torch.no_grad()
    def __call__(self, hu: np.ndarray) -> torch.Tensor:
        return torch.cat([self.network(block.to(self.device)).cpu() for block in _blocks(hu)])


def feature_extractor(network: nn.Module, medicalnet_weights: str | Path | None = None) -> FeatureExtractor:
    """MedicalNet where its weights are given, else the foundation's bottleneck; `.name` says which.

    Args:
        network: the foundation, `CTDenoiser` with trained weights.
        medicalnet_weights: a file on disk; nothing is downloaded.
    """
    if medicalnet_weights is None:
        return FoundationFeatures(network)
    return MedicalNetFeatures(medicalnet_weights, next(network.parameters()).device)


def _blocks(hu: np.ndarray) -> Iterator[torch.Tensor]:
    """Blocks `(1, 1, x, y, z)` in [-1, 1] of the widest window; sides are multiples of 8 by edge padding."""
    unit = np.clip(WIDEST_WINDOW.to_unit(np.asarray(hu, dtype=np.float32)), -1, 1)
    unit = np.pad(unit, [(0, ceil(n / _DIVISOR) * _DIVISOR - n) for n in unit.shape], mode="edge")
    sides = [min(_BLOCK, n) for n in unit.shape]
    for window in dense_patch_slices(unit.shape, sides, sides):
        yield torch.from_numpy(unit[window].copy())[None, None]
