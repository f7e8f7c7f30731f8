"""The class embedding of the U-Net, which also takes in what is known of the noise."""

from __future__ import annotations

import torch
from torch import nn

from meddiff_core.physics.noise_spectrum import CODE_LENGTH

_HIDDEN = 32


class ClassEmbedding(nn.Embedding):
    """Embedding of a class, plus that of a noise code: MONAI's U-Net adds the sum to its time embedding.

    White noise has the code zero (`NoiseSpectrum.code`), and no layer on its way has a bias, so the code of
    white noise adds exactly nothing. That is also what an unknown spectrum is taken for.

    Args:
        classes: number of classes; 0 is the null class.
        channels: size of the embedding.
    """

    def __init__(self, classes: int, channels: int) -> None:
        super().__init__(classes, channels)
        self.noise = nn.Sequential(
            nn.Linear(CODE_LENGTH, _HIDDEN, bias=False),
            nn.SiLU(),
            nn.Linear(_HIDDEN, channels, bias=False),
        )
        nn.init.zeros_(self.noise[2].weight)

    def forward(self, classes: torch.Tensor) -> torch.Tensor:
        """Embedding `(B, channels)` of classes `(B,)`, or of `(B, 1 + CODE_LENGTH)`: class and noise code."""
        if classes.ndim == 1:
            return super().forward(classes)
        return super().forward(classes[:, 0].long()) + self.noise(classes[:, 1:])
