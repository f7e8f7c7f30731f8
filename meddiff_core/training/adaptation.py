"""Training on the scan itself for some minutes, before a network is applied to it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from ignite.engine import Engine, Events
from ignite.handlers import EMAHandler
from monai.data import DataLoader, Dataset
from monai.engines import SupervisedTrainer
from monai.engines.utils import PrepareBatch
from monai.transforms import Compose
from torch import nn

from meddiff_core.errors import InputError, check_number
from meddiff_core.inferers.progress import progress
from meddiff_core.inferers.windows import Runtime
from meddiff_core.training.gradient_clipping import GradientClipping
from meddiff_core.training.network_call import AutocastInferer

logger = logging.getLogger("meddiff")

_BATCH = 4
_EVERY = 10
"""Iterations between two checks."""
_PATIENCE = 60
"""Iterations without a new best that end the training."""
_LEAST_FALL = 0.03
"""Relative fall of the check below which a state is no better: 0.02 went with 0.07 dB less."""
_MOMENTUM = 0.05
"""Of the moving average, which is what is checked and kept: over about 20 iterations."""
_MOST_ITERATIONS = 100_000


@dataclass(frozen=True)
class Lesson:
    """What a scan has to teach.

    Args:
        item: the scan, as the dictionary that `transform` takes.
        transform: draws a patch from it.
        prepare_batch: makes inputs and target of a batch of patches.
        loss: of prediction and target.
        check: an error in HU of a network on the scan, which needs no better scan; lower is better.
    """

    item: Mapping[str, Any]
    transform: Compose
    prepare_batch: PrepareBatch
    loss: nn.Module
    check: Callable[[nn.Module], float]


class Adaptation:
    """Trains a copy of a network on one scan, with MONAI's trainer, and keeps the state of the least check.

    Every scan starts from the network that is given. Where the check falls by less than 3 %, that network is
    used as it is. How far a training gets in its time depends on the machine, so results do, too.

    Args:
        minutes: of training at most; it ends before when the check no longer falls.
        learning_rate: of AdamW; 1e-3.
        seed: of the draws.
        runtime: device and precision of the network.

    Raises:
        InputError: the minutes are no number above 0, or several processes share a scan.

    Attributes:
        adapted: the network after the last scan; None where that scan taught it nothing.
    """

    def __init__(
        self,
        minutes: float,
        learning_rate: float = 1e-3,
        seed: int = 0,
        runtime: Runtime | None = None,
    ) -> None:
        check_number("adapt", minutes, "a number of minutes of at least 0", lambda v: v > 0)
        self.minutes = minutes
        self.learning_rate = learning_rate
        self.seed = seed
        self.runtime = runtime or Runtime()
        if self.runtime.split_windows:
            raise InputError("adapt needs a process of its own for each scan: leave split_windows false.")
        self.adapted: nn.Module | None = None

    def learn(
        self, network: nn.Module, part: Callable[[nn.Module], nn.Module], lesson: Lesson
    ) -> tuple[nn.Module, dict[str, float]]:
        """Train on a scan.

        Args:
            network: stays as it is.
            part: takes a network to that part of it which is trained.
            lesson: of the scan.

        Returns:
            The network to use, and what was done, for the record.
        """
        student = deepcopy(network).requires_grad_(False)
        trained = part(student).requires_grad_(True)
        average = EMAHandler(student, momentum=_MOMENTUM)
        course = _Course(lesson.check, average.ema_model, part, self)
        lesson.transform.set_random_state(self.seed)
        device = torch.device(self.runtime.device or next(network.parameters()).device)
        with torch.random.fork_rng([device] if device.type == "cuda" else []), torch.enable_grad():
            torch.manual_seed(self.seed)
            patches = Dataset([lesson.item] * (_BATCH * _MOST_ITERATIONS), lesson.transform)
            trainer = SupervisedTrainer(
                device=device,
                max_epochs=1,
                train_data_loader=DataLoader(patches, batch_size=_BATCH),
                network=student,
                optimizer=torch.optim.AdamW(trained.parameters(), self.learning_rate, (0.9, 0.99)),
                loss_function=lesson.loss,
                inferer=AutocastInferer(self.runtime.precision),
                prepare_batch=lesson.prepare_batch,
                train_handlers=[GradientClipping(trained)],
            )
            average.attach(trainer)
            course.attach(trainer)
            trainer.run()
        self.adapted = course.best_network()
        return self.adapted or network, course.facts


class _Course:
    """Handler: shows progress, checks the moving average, remembers its best state, and ends in time.

    Args:
        check: see `Lesson`.
        average: moving average of the trained network.
        part: takes a network to the part of it that is trained.
        settings: minutes, and whether progress is shown.
    """

    def __init__(
        self,
        check: Callable[[nn.Module], float],
        average: nn.Module,
        part: Callable[[nn.Module], nn.Module],
        settings: Adaptation,
    ) -> None:
        self._check = check
        self._average = average.eval()
        self._part = part(average)
        self._minutes = settings.minutes
        self._shown = settings.runtime.progress

    def attach(self, engine: Engine) -> None:
        """Follow a trainer, after what makes the average."""
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._iteration)
        engine.add_event_handler(Events.COMPLETED, self._end)

    @property
    def facts(self) -> dict[str, float]:
        """For the record: minutes spent, iterations to the best state, its check and that before."""
        return {
            "adapt_minutes": round(self._spent, 2),
            "adapt_iterations": self._best_iteration,
            "adapt_check_before": round(self._before, 3),
            "adapt_check_after": round(self._after, 3),
        }

    @property
    def _after(self) -> float:
        return self._best if self._best_iteration else self._before

    def best_network(self) -> nn.Module | None:
        """The average in its best state; None where that is the start."""
        if not self._best_iteration:
            return None
        self._part.load_state_dict(self._best_state)
        return self._average

    def _start(self, engine: Engine) -> None:
        self._began, self._spent = time.monotonic(), 0.0
        self._before = self._check(self._average)
        self._best = (1 - _LEAST_FALL) * self._before  # what a state has to come below
        self._best_iteration, self._best_state = 0, deepcopy(self._part.state_dict())
        self._bar = progress(self._minutes, self._shown, unit="minutes")

    def _iteration(self, engine: Engine) -> None:
        self._spent = (time.monotonic() - self._began) / 60
        self._bar.update(min(self._spent, self._minutes) - self._bar.n)
        over, iteration = self._spent >= self._minutes, engine.state.iteration
        if over or iteration % _EVERY == 0:
            self._compare(iteration)
        if over or iteration - self._best_iteration >= _PATIENCE:
            engine.terminate()

    def _compare(self, iteration: int) -> None:
        score = self._check(self._average)
        if score < self._best:
            self._best, self._best_iteration = score, iteration
            self._best_state = deepcopy(self._part.state_dict())

    def _end(self, engine: Engine) -> None:
        self._bar.close()
        logger.info(
            "Adapted to the scan in %.1f minutes: the check went from %.2f to %.2f HU in %d iterations.",
            *(self._spent, self._before, self._after, self._best_iteration),
        )
