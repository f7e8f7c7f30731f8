"""The full-resolution part of the compact network: thin, without normalisation."""

from __future__ import annotations

import torch
from monai.networks.blocks import Convolution
from torch import nn


def _convolution(in_channels: int, out_channels: int) -> nn.Module:
    return Convolution(3, in_channels, out_channels, kernel_size=3, conv_only=True)


class DetailStream(nn.Module):
    """3x3x3 convolutions at full resolution, scaled and shifted by the time embedding.

    A context network at half resolution cannot pass the noise of each voxel, which is most of what eps or v
    hold at small t; this stream can. It has no normalisation, so that a voxel's value does not depend on what
    else lies in its window. The context joins it halfway.

    Args:
        channels: width; 16 fills one AVX-512 register and costs 14 kFLOP per voxel and convolution.
        num_convolutions: hidden convolutions; half of them see the image alone, half also the context.
        context_channels: channels of the context at full resolution.
        embedding_channels: size of the time and region embedding.
        out_channels: channels of the prediction.
    """

    def __init__(
        self,
        channels: int,
        num_convolutions: int,
        context_channels: int,
        embedding_channels: int,
        out_channels: int = 1,
    ) -> None:
        super().__init__()
        self.first_half = num_convolutions // 2
        self.conv_in = _convolution(1, channels)
        self.convolutions = nn.ModuleList(_convolution(channels, channels) for _ in range(num_convolutions))
        self.join = nn.Conv3d(context_channels, channels, kernel_size=1)
        self.modulations = nn.ModuleList(
            nn.Linear(embedding_channels, 2 * channels) for _ in range(num_convolutions)
        )
        self.activation = nn.SiLU()
        self.conv_out = _convolution(channels, out_channels)
        for modulation in self.modulations:  # start as the identity
            nn.init.zeros_(modulation.weight)
            nn.init.zeros_(modulation.bias)

    def forward(self, noisy: torch.Tensor, context: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
        """Predict from `noisy` `(B, 1, X, Y, Z)`, `context` `(B, C, X, Y, Z)` and `embedding` `(B, E)`."""
        h = self.conv_in(noisy)
        for i, (convolution, modulation) in enumerate(zip(self.convolutions, self.modulations, strict=True)):
            if i == self.first_half:
                h = h + self.join(context)
            scale, shift = modulation(embedding)[:, :, None, None, None].chunk(2, dim=1)
            h = h + convolution(self.activation(torch.addcmul(shift, h, 1 + scale)))
        return self.conv_out(self.activation(h))
