"""How training and validation go, as plain log lines: on a terminal, in a file, in a cluster's log."""

from __future__ import annotations

import logging
import time
from datetime import timedelta

from ignite.engine import Engine, Events
from torch.optim import Optimizer

logger = logging.getLogger("meddiff")


class TrainingLog:
    """Handler: logs loss, learning rate and the time left; the first iteration is logged, and the last.

    Not MONAI's `StatsHandler`, which counts iterations and knows neither the learning rate nor the time: with
    it, a training on a CPU is silent for minutes and one on a GPU floods the log.

    Args:
        optimizer: its first group has the learning rate.
        every: seconds between two lines; 30.
    """

    def __init__(self, optimizer: Optimizer, every: float = 30.0) -> None:
        self.optimizer = optimizer
        self.every = every

    def attach(self, engine: Engine) -> None:
        """Follow a trainer of MONAI, whose output is a list of dictionaries with `loss`."""
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)

    def _start(self, engine: Engine) -> None:
        self._began = time.monotonic()
        self._done_before: int | None = None  # iterations of the training that this one goes on from
        self._losses: list[float] = []
        self._said = -self.every

    def __call__(self, engine: Engine) -> None:
        state, spent = engine.state, time.monotonic() - self._began
        self._losses.append(float(state.output[0]["loss"]))
        if self._done_before is None:
            self._done_before = state.iteration - 1
        total = state.max_epochs * state.epoch_length
        if spent - self._said < self.every and state.iteration < total:
            return
        loss = sum(self._losses) / len(self._losses)
        left = spent / (state.iteration - self._done_before) * (total - state.iteration)
        logger.info(
            "Epoch %d of %d, iteration %d of %d: loss %.4f, learning rate %.2g, %s left.",
            state.epoch,
            state.max_epochs,
            state.iteration - (state.epoch - 1) * state.epoch_length,
            state.epoch_length,
            loss,
            self.optimizer.param_groups[0]["lr"],
            timedelta(seconds=round(left)),
        )
        self._losses.clear()
        self._said = spent


class ValidationLog:
    """Handler: logs the metrics of each validation.

    Not MONAI's `StatsHandler`, which keeps the lines from the handlers of a program's root logger.
    """

    def attach(self, engine: Engine) -> None:
        """Follow an evaluator, whose epoch is that of the training."""
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        metrics = ", ".join(f"{name} {value:.4f}" for name, value in engine.state.metrics.items())
        logger.info("Validation after epoch %d: %s.", engine.state.epoch, metrics)
