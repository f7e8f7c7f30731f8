"""The ControlNet of the full-resolution stream."""

from __future__ import annotations

from copy import deepcopy

import torch
from monai.networks.nets.controlnet import zero_module
from torch import nn

from meddiff_core.networks.detail_stream import DetailStream


class DetailControl(nn.Module):
    """A trainable copy of a `DetailStream` that sees the condition and adds to each of its hidden states.

    The condition also reaches the output directly, weighted by time and region, as the anatomy does in the
    stream itself. All three ways out start at zero.

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
        self.direct_weights = zero_module(nn.Linear(embedding_channels, channels))

    def forward(
        self,
        control: torch.Tensor,
        noisy: torch.Tensor,
        context: torch.Tensor,
        labels: torch.Tensor,
        embedding: torch.Tensor,
    ) -> tuple[list[torch.Tensor], torch.Tensor]:
        """What to add to the stream's hidden states and to its prediction.

        Args:
            control: the condition `(B, K, X, Y, Z)`.
            noisy: this and the rest are inputs of `DetailStream`.
        """
        states = self.stream.hidden_states(noisy, context, labels, embedding, [self.embed(control)])
        weights = self.direct_weights(embedding)[:, :, None, None, None]
        direct = (control * weights).sum(dim=1, keepdim=True)
        return [out(state) for out, state in zip(self.out, states, strict=True)], direct
