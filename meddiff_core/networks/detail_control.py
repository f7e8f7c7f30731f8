"""The ControlNet of the full-resolution stream."""

from __future__ import annotations

from copy import deepcopy

import torch
from monai.networks.nets.controlnet import zero_module
from torch import nn

from meddiff_core.networks.detail_stream import DetailStream

# How much faster the direct weights move than a plain linear layer's: they go from 0 to about -1, all others
# stay near where they start. Measured: -0.3 after 200 steps without it.
_PACE = 10.0


class DetailControl(nn.Module):
    """A trainable copy of a `DetailStream` that sees the condition and adds to each of its hidden states.

    It also answers itself: a last convolution of its own and the condition as it is, weighted by time and
    region, are added to the stream's prediction, and the prediction is scaled by them. A ControlNet that can
    only add to hidden states first has to cancel, in a decoder that is frozen, what the foundation expects
    without the condition. All of this starts at zero, the scale at one.

    Args:
        stream: the stream to copy.
        channels: K, channels of the condition.
    """

    def __init__(self, stream: DetailStream, channels: int) -> None:
        super().__init__()
        self.stream = deepcopy(stream).requires_grad_(True)
        width = stream.conv_out.conv.in_channels
        embedding_channels = stream.label_weights.in_features
        del self.stream.conv_out, self.stream.label_weights  # of the copy, only the hidden states count
        self.embed = nn.Sequential(
            nn.Conv3d(channels, width, kernel_size=3, padding=1),
            nn.SiLU(),
            zero_module(nn.Conv3d(width, width, kernel_size=3, padding=1)),
        )
        states = len(stream.convolutions) + 1
        self.out = nn.ModuleList(zero_module(nn.Conv3d(width, width, kernel_size=1)) for _ in range(states))
        self.conv_out = zero_module(nn.Conv3d(width, 1, kernel_size=3, padding=1))
        self.weights = zero_module(nn.Linear(embedding_channels, channels + 1))

    def forward(
        self,
        control: torch.Tensor,
        noisy: torch.Tensor,
        context: torch.Tensor,
        labels: torch.Tensor,
        embedding: torch.Tensor,
    ) -> tuple[list[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]:
        """What to add to the stream's hidden states, and the factor and summand of its prediction.

        Args:
            control: the condition `(B, K, X, Y, Z)`.
            noisy: this and the rest are inputs of `DetailStream`.
        """
        states = self.stream.hidden_states(noisy, context, labels, embedding, [self.embed(control)])
        weights = _PACE * self.weights(embedding)[:, :, None, None, None]
        direct = (control * weights[:, 1:]).sum(dim=1, keepdim=True)
        own = self.conv_out(self.stream.activation(states[-1])) + direct
        return [out(state) for out, state in zip(self.out, states, strict=True)], (1 + weights[:, :1], own)
