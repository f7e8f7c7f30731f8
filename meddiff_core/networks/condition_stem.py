"""Turns the condition channels (position, anatomy) into features for the context network."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from meddiff_core.conditions.position import position_embedding
from meddiff_core.conditions.vocabulary import COARSE_OF, NUM_LABELS


class ConditionStem(nn.Module):
    """Position embedding and a learned embedding of the anatomy label.

    The label embedding is the same function as a 1x1x1 convolution of the one-hot map, at a fraction of its
    memory. A cell of the context holds the mean of its labels' embeddings; the single voxel's is for the
    detail stream, because a boundary that the context knows to a cell alone comes out blurred.

    A named structure is its coarse class plus a difference that starts at zero. Trained on coarse maps alone,
    the network therefore takes a TotalSegmentator map as the coarse map that follows from it.

    Args:
        label_channels: channels of the label embedding; 8 as in the paper.
        num_frequencies: L of the position embedding (eq. 6); 0 gives the raw coordinates alone (eq. 5), None
            no position at all.
        factor: voxels per cell and axis.
    """

    def __init__(self, label_channels: int, num_frequencies: int | None, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.num_frequencies = num_frequencies
        self.labels = nn.Embedding(NUM_LABELS, label_channels)
        coarse = torch.tensor(COARSE_OF).long()
        self.register_buffer("coarse", coarse, persistent=False)
        self.register_buffer("named", (coarse != torch.arange(NUM_LABELS))[:, None], persistent=False)
        with torch.no_grad():
            self.labels.weight.masked_fill_(self.named, 0.0)
        position_channels = 0 if num_frequencies is None else 3 + 6 * num_frequencies
        self.out_channels = label_channels + position_channels

    def embed(self, anatomy: torch.Tensor) -> torch.Tensor:
        """Label embeddings `(B, label_channels, X, Y, Z)` of labels `(B, 1, X, Y, Z)`."""
        table = self.labels.weight + self.labels.weight[self.coarse] * self.named
        return F.embedding(anatomy[:, 0].long(), table).movedim(-1, 1)

    def forward(self, coords: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Features `(B, out_channels, X/f, Y/f, Z/f)` from `(B, 3, X, Y, Z)` and embedded labels."""
        labels = F.avg_pool3d(labels, self.factor)
        if self.num_frequencies is None:
            return labels
        coords = F.avg_pool3d(coords, self.factor)
        return torch.cat([position_embedding(coords, self.num_frequencies), labels], dim=1)


def cells_of(x: torch.Tensor, factor: int) -> torch.Tensor:
    """Space to depth, `(B, C, X, Y, Z)` to `(B, C f^3, X/f, Y/f, Z/f)`: the inverse of `pixelshuffle`."""
    batch, channels, *spatial = x.shape
    split = [n for size in spatial for n in (size // factor, factor)]
    x = x.reshape(batch, channels, *split).permute(0, 1, 3, 5, 7, 2, 4, 6)
    return x.reshape(batch, channels * factor**3, *[size // factor for size in spatial])
