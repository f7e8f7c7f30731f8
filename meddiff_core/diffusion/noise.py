"""Noise that is the same on every device."""

from __future__ import annotations

import torch


def noise_like(x: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
    """White noise of unit variance with the shape and type of `x`, drawn on the CPU and sent to its device.

    Args:
        x: `(B, C, X, Y, Z)`, floating point.
        generator: source of the noise, on the CPU; None is the global one.
    """
    return torch.randn(x.shape, generator=generator, dtype=x.dtype).to(x.device)
