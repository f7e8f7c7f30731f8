"""The foundation network: a conditional U-Net of 3D CT with two variants."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from monai.networks.nets import DiffusionModelUNet
from monai.networks.nets.diffusion_model_unet import get_timestep_embedding
from monai.networks.utils import pixelshuffle
from torch import nn
from torch.nn import functional as F

from meddiff_core.conditions.channels import ANATOMY, CONTROL, NOISY, POSITION
from meddiff_core.conditions.regions import CLASSES
from meddiff_core.networks.class_embedding import ClassEmbedding
from meddiff_core.networks.condition_stem import ConditionStem, cells_of
from meddiff_core.networks.detail_stream import DetailStream

VARIANTS: dict[str, dict[str, Any]] = {
    # MedDiff-FM, "Implementation details": 32 channels, multipliers 1, 2, 4, 8, attention at 16^3 of 128^3.
    "paper": {
        "factor": 1,
        "channels": (32, 64, 128, 256),
        "attention_levels": (False, False, False, True),
        "norm_num_groups": 32,
        "detail_channels": 0,
    },
    # Ours: the U-Net sees 2x2x2 voxels as one cell, a thin stream keeps the single voxel.
    "compact": {
        "factor": 2,
        "channels": (32, 64, 96),
        "attention_levels": (False, False, False),
        "norm_num_groups": 16,
        "detail_channels": 16,
    },
}
ACTIVATION_BYTES: dict[str, dict[torch.dtype, int]] = {
    "paper": {torch.float32: 2600, torch.bfloat16: 1600, torch.float16: 1600},
    "compact": {torch.float32: 870, torch.bfloat16: 700, torch.float16: 700},
}
"""What an evaluation takes at its peak, per voxel of a window and by what it computes in: the growth of a
fresh CPU process over one window, 96 voxels a side (compact; 128 take less) or 64 (paper)."""


class Control(Protocol):
    """What `CTDenoiser` asks of a control; each answer holds keyword arguments of the part that it steers."""

    def unet_residuals(
        self,
        features: torch.Tensor,
        control: torch.Tensor,
        timesteps: torch.Tensor,
        class_labels: torch.Tensor,
    ) -> dict[str, Any]: ...

    def detail_residuals(self, control: torch.Tensor, *inputs: torch.Tensor) -> dict[str, Any]: ...


class CTDenoiser(nn.Module):
    """Predicts eps or v from a noisy CT, its place in the body, anatomy and region (MedDiff-FM, fig. 2).

    The U-Net is MONAI's `DiffusionModelUNet`, so MONAI's `ControlNet` attaches to it.

    Args:
        variant: `compact` (the one with shipped weights) or `paper`.
        num_res_blocks: residual blocks per level of the U-Net; 1 as in the paper.
        detail_convolutions: hidden convolutions of the full-resolution stream (compact).
        context_channels: full-resolution channels that the U-Net hands to that stream (compact).
        label_channels: channels of the anatomy embedding; 8 as in the paper.
        num_frequencies: L of eq. 6; 4 as in the paper. 0 leaves the raw coordinates, None no position.

    Raises:
        ValueError: for an unknown variant, or an input whose sides the network cannot halve often enough.
    """

    def __init__(
        self,
        variant: str = "compact",
        num_res_blocks: int = 1,
        detail_convolutions: int = 6,
        context_channels: int = 4,
        label_channels: int = 8,
        num_frequencies: int | None = 4,
    ) -> None:
        super().__init__()
        if variant not in VARIANTS:
            raise ValueError(f"Unknown network variant {variant!r}: use one of {', '.join(VARIANTS)}.")
        options = dict(VARIANTS[variant])
        self.factor: int = options.pop("factor")
        detail_channels: int = options.pop("detail_channels")
        self.activation_bytes = ACTIVATION_BYTES[variant]
        cell = self.factor**3
        self.stem = ConditionStem(label_channels, num_frequencies, self.factor)
        self.encoder_options = {
            "spatial_dims": 3,
            "in_channels": cell + self.stem.out_channels,
            "num_res_blocks": num_res_blocks,
            "num_class_embeds": len(CLASSES),
            "use_flash_attention": True,
            **options,
        }
        """Of the U-Net's encoder, which a ControlNet copies."""
        self.unet = DiffusionModelUNet(
            **self.encoder_options, out_channels=cell * context_channels if detail_channels else 1
        )
        width = options["channels"][0]
        self.unet.class_embedding = ClassEmbedding(len(CLASSES), 4 * width)
        self.detail = (
            DetailStream(detail_channels, detail_convolutions, context_channels, label_channels, 4 * width)
            if detail_channels
            else None
        )
        self.divisor = self.factor * 2 ** (len(options["channels"]) - 1)
        """Every side of the input must be a multiple of this."""

    def forward(
        self,
        x: torch.Tensor,
        timesteps: torch.Tensor | None = None,
        class_labels: torch.Tensor | None = None,
        noise_code: torch.Tensor | None = None,
        control: Control | None = None,
    ) -> torch.Tensor:
        """Predict eps or v, `(B, 1, X, Y, Z)`.

        Args:
            x: `(B, 5 + K, X, Y, Z)`: noisy image in [-1, 1] scale, coordinates x, y, z in [-1, 1], anatomy
                label; K further control channels are for a ControlNet and ignored without one.
            timesteps: `(B,)` long, 0 to 999; default 0.
            class_labels: `(B,)` long class ids, default 0, the null class.
            noise_code: `(B, CODE_LENGTH)`, what is known of the noise's spectrum, see `NoiseSpectrum.code`;
                default zero: white, or unknown.
            control: adds to the hidden states, see `ControlledDenoiser`.
        """
        if any(size % self.divisor for size in x.shape[2:]):
            raise ValueError(
                f"Sides {tuple(x.shape[2:])} of the input must be multiples of {self.divisor}: pad or crop."
            )
        zeros = torch.zeros(x.shape[0], dtype=torch.long, device=x.device)
        timesteps = zeros if timesteps is None else timesteps
        class_labels = zeros if class_labels is None else class_labels
        labels = self.stem.embed(x[:, ANATOMY])
        features = self._features(x, labels)
        added = control.unet_residuals(features, x[:, CONTROL], timesteps, class_labels) if control else {}
        if noise_code is not None:
            class_labels = torch.cat([class_labels[:, None].to(noise_code), noise_code], dim=1)
        output = self.unet(features, timesteps, class_labels=class_labels, **added)
        if self.detail is None:
            return output
        context = pixelshuffle(output, 3, self.factor)
        inputs = (x[:, NOISY], context, labels, self.embedding(timesteps, class_labels))
        added = control.detail_residuals(x[:, CONTROL], *inputs) if control else {}
        return self.detail(*inputs, **added)

    def context_input(self, x: torch.Tensor) -> torch.Tensor:
        """What the U-Net (and a ControlNet beside it) sees: cells of the image, position, anatomy."""
        return self._features(x, self.stem.embed(x[:, ANATOMY]))

    def _features(self, x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return torch.cat([cells_of(x[:, NOISY], self.factor), self.stem(x[:, POSITION], labels)], dim=1)

    def embedding(self, timesteps: torch.Tensor, class_labels: torch.Tensor) -> torch.Tensor:
        """The U-Net's own embedding of time and class, activated, `(B, E)`; the detail stream shares it."""
        time = get_timestep_embedding(timesteps, self.unet.block_out_channels[0])
        time = time.to(self.unet.class_embedding.weight.dtype)
        return F.silu(self.unet.time_embed(time) + self.unet.class_embedding(class_labels))
