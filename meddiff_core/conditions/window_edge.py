"""Two images of one scan joined at the edge of an HU window: inside one of them, outside the other."""

from __future__ import annotations

import torch

from meddiff_core.conditions.regions import HUWindow

_SLAB = 16


def restore_outside_window(
    prediction: torch.Tensor, original: torch.Tensor, hu_window: HUWindow, noise_level: float = 0.0
) -> torch.Tensor:
    """HU of a prediction inside the HU window, and of the original where that lies outside; smooth between.

    The network knows the window only. The original is kept where it lies outside and either the prediction
    itself has reached that edge (the last 5 % of the half-width are the hand-over) or the excess is too large
    to be noise (hand-over from 2 to 4 noise levels). A voxel that noise alone carried over the edge, such as
    fat in the abdomen HU window, is predicted, not kept.

    Args:
        prediction: the network's image in [-1, 1], any shape.
        original: the input in HU, same shape.
        hu_window: the HU window that [-1, 1] stands for.
        noise_level: standard deviation of the noise of `original` in HU; taken as at least half a percent of
            the window's width, so that the hand-over is smooth without noise, too.
    """
    noise_level = max(noise_level, 0.005 * hu_window.width)
    result = torch.empty_like(prediction)
    # slab by slab: the steps in between would take the memory of several volumes
    slabs = (volume.split(_SLAB, dim=-1) for volume in (prediction, original, result))
    for inside, outside, joined in zip(*slabs, strict=True):
        joined.copy_(_joined(inside, outside, hu_window, noise_level))
    return result


def _joined(
    prediction: torch.Tensor, original: torch.Tensor, hu_window: HUWindow, noise_level: float
) -> torch.Tensor:
    prediction = prediction.clamp(-1, 1)
    excess = original - original.clamp(hu_window.lower, hu_window.upper)
    at_edge = ((prediction * excess.sign() - 0.95) / 0.05).clamp(0, 1)
    too_large = ((excess.abs() - 2 * noise_level) / (2 * noise_level)).clamp(0, 1)
    keep = torch.maximum(at_edge, too_large)
    return torch.lerp(hu_window.to_hu(prediction), original, keep * keep * (3 - 2 * keep))
