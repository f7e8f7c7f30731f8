"""Turns the condition channels (position, anatomy) into features for the context network."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from meddiff_core.conditions.position import position_embedding


class ConditionStem(nn.Module):
    """Position embedding and a learned embedding of the anatomy label, at the context's resolution.

    The label embedding is the same function as a 1x1x1 convolution of the one-hot map, at a fraction of its
    memory. At half resolution a cell holds the mean embedding of its eight labels, which keeps partial
    volumes that a nearest-neighbour label would lose.

    Args:
        num_labels: entries of the anatomy vocabulary, 0 is the null label.
        label_channels: channels of the label embedding; 8 as in the paper.
        num_frequencies: L of the position embedding (eq. 6).
        factor: voxels per cell and axis.
    """

    def __init__(self, num_labels: int, label_channels: int, num_frequencies: int, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.num_frequencies = num_frequencies
        self.labels = nn.EmbeddingBag(num_labels, label_channels, mode="mean")
        self.out_channels = label_channels + 3 + 6 * num_frequencies

    def forward(self, coords: torch.Tensor, anatomy: torch.Tensor) -> torch.Tensor:
        """Features `(B, out_channels, X/f, Y/f, Z/f)` from `(B, 3, X, Y, Z)` and labels `(B, 1, X, Y, Z)`."""
        coords = F.avg_pool3d(coords, self.factor)
        cells = cells_of(anatomy.long(), self.factor)  # (B, f^3, X/f, Y/f, Z/f)
        bags = cells.movedim(1, -1)
        labels = self.labels(bags.flatten(0, 3)).unflatten(0, bags.shape[:-1]).movedim(-1, 1)
        return torch.cat([position_embedding(coords, self.num_frequencies), labels.to(coords.dtype)], dim=1)


def cells_of(x: torch.Tensor, factor: int) -> torch.Tensor:
    """Space to depth, `(B, C, X, Y, Z)` to `(B, C f^3, X/f, Y/f, Z/f)`: the inverse of `pixelshuffle`."""
    batch, channels, *spatial = x.shape
    split = [n for size in spatial for n in (size // factor, factor)]
    x = x.reshape(batch, channels, *split).permute(0, 1, 3, 5, 7, 2, 4, 6)
    return x.reshape(batch, channels * factor**3, *[size // factor for size in spatial])
