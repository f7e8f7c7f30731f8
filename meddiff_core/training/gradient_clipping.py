"""Clip the gradient's norm inside MONAI's trainer, which has no option for it."""

from __future__ import annotations

from ignite.engine import Engine
from monai.engines.utils import IterationEvents
from torch import nn


class GradientClipping:
    """Handler: scales all gradients after the backward pass so that their joint norm is at most `max_norm`.

    With `accumulation_steps` the running sum is clipped after each of them. Not for the trainer's `amp`
    option, whose gradients are still scaled at this point.

    Args:
        network: whose gradients.
        max_norm: largest norm; 1.
    """

    def __init__(self, network: nn.Module, max_norm: float = 1.0) -> None:
        self.network = network
        self.max_norm = max_norm

    def attach(self, engine: Engine) -> None:
        """Run after every backward pass of `engine`."""
        engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        nn.utils.clip_grad_norm_(self.network.parameters(), self.max_norm)
