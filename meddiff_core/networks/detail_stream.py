"""The full-resolution part of the compact network: thin, without normalisation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.blocks import Convolution
from torch import nn


def _convolution(in_channels: int, out_channels: int) -> nn.Module:
    return Convolution(3, in_channels, out_channels, kernel_size=3, conv_only=True)


class DetailStream(nn.Module):
    """3x3x3 convolutions at full resolution, scaled and shifted by the time embedding.

    A context network at half resolution cannot pass the noise of each voxel, which is most of what eps or v
    hold at small t; this stream can. It has no normalisation, so that a voxel's value does not depend on what
    else lies in its window. The context and the anatomy join it halfway. The anatomy also reaches the output
    directly, weighted by time and region: near pure noise the best answer is the mean HU of the label, and
    without that path the network takes thousands of steps to find it.

    Args:
        channels: width; 16 fills one AVX-512 register and costs 14 kFLOP per voxel and convolution.
        num_convolutions: hidden convolutions; half of them see the image alone, half also the context.
        context_channels: channels of the context at full resolution.
        label_channels: channels of the embedded anatomy.
        embedding_channels: size of the time and region embedding.
    """

    def __init__(
        self,
        channels: int,
        num_convolutions: int,
        context_channels: int,
        label_channels: int,
        embedding_channels: int,
    ) -> None:
        super().__init__()
        self.first_half = num_convolutions // 2
        self.conv_in = _convolution(1, channels)
        self.convolutions = nn.ModuleList(_convolution(channels, channels) for _ in range(num_convolutions))
        self.join = nn.Conv3d(context_channels + label_channels, channels, kernel_size=1)
        self.modulations = nn.ModuleList(
            nn.Linear(embedding_channels, 2 * channels) for _ in range(num_convolutions)
        )
        self.join_modulation = nn.Linear(embedding_channels, 2 * channels)
        self.label_weights = nn.Linear(embedding_channels, label_channels)
        self.activation = nn.SiLU()
        self.conv_out = _convolution(channels, 1)
        for linear in (*self.modulations, self.join_modulation, self.label_weights):
            nn.init.zeros_(linear.weight)  # start as the identity, and without a direct path
            nn.init.zeros_(linear.bias)

    def forward(
        self,
        noisy: torch.Tensor,
        context: torch.Tensor,
        labels: torch.Tensor,
        embedding: torch.Tensor,
        residuals: Sequence[torch.Tensor] = (),
        output: tuple[torch.Tensor, torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """Predict `(B, 1, X, Y, Z)`.

        Args:
            noisy: `(B, 1, X, Y, Z)`.
            context: `(B, context_channels, X, Y, Z)`.
            labels: embedded anatomy `(B, label_channels, X, Y, Z)`.
            embedding: of time and region `(B, embedding_channels)`.
            residuals: added to the hidden states, see `hidden_states`; of a `DetailControl`.
            output: factor and summand of the prediction; of a `DetailControl`.
        """
        h = self.hidden_states(noisy, context, labels, embedding, residuals)[-1]
        weights = self.label_weights(embedding)[:, :, None, None, None]
        direct = (labels * weights).sum(dim=1, keepdim=True)
        prediction = self.conv_out(self.activation(h)) + direct
        return prediction if output is None else prediction * output[0] + output[1]

    def hidden_states(
        self,
        noisy: torch.Tensor,
        context: torch.Tensor,
        labels: torch.Tensor,
        embedding: torch.Tensor,
        residuals: Sequence[torch.Tensor] = (),
    ) -> list[torch.Tensor]:
        """What comes out of the first convolution and of each following one, `(B, channels, X, Y, Z)` each.

        The residuals, where there are any, are added to these states, one to each.
        """
        states = [_plus(self.conv_in(noisy), residuals[:1])]
        for i, (convolution, modulation) in enumerate(zip(self.convolutions, self.modulations, strict=True)):
            h = states[-1]
            if i == self.first_half:
                joined = self.join(torch.cat([context, labels.to(context.dtype)], dim=1))
                h = h + _modulated(joined, self.join_modulation(embedding))
            h = h + convolution(self.activation(_modulated(h, modulation(embedding))))
            states.append(_plus(h, residuals[i + 1 : i + 2]))
        return states


def _plus(h: torch.Tensor, residuals: Sequence[torch.Tensor]) -> torch.Tensor:
    return sum(residuals, start=h)


def _modulated(x: torch.Tensor, scale_and_shift: torch.Tensor) -> torch.Tensor:
    scale, shift = scale_and_shift[:, :, None, None, None].chunk(2, dim=1)
    return torch.addcmul(shift, x, 1 + scale)
