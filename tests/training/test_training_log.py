"""What a training says while it runs."""

from __future__ import annotations

import logging
import re

import pytest
import torch
from ignite.engine import Engine, Events

from meddiff_core.training import training_log
from meddiff_core.training.training_log import TrainingLog


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until a test moves it."""
    now = [100.0]
    monkeypatch.setattr(training_log.time, "monotonic", lambda: now[0])
    return now


def train(clock, seconds: float, resumed_after: int = 0, **options) -> None:
    """Two epochs of four iterations, each of so many seconds, with the losses 1, 2, 3 ..."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.005)

    def update(engine, batch):
        clock[0] += seconds
        return [{"loss": torch.tensor(float(engine.state.iteration))}]

    engine = Engine(update)
    TrainingLog(optimizer, **options).attach(engine)
    if resumed_after:
        state = {"iteration": resumed_after, "epoch_length": 4, "max_epochs": 2}
        engine.add_event_handler(Events.STARTED, lambda e: e.load_state_dict(state))
    engine.run(range(4), max_epochs=2)


def test_a_line_at_the_start_every_half_minute_and_at_the_end(clock, caplog):
    with caplog.at_level(logging.INFO, logger="meddiff"):
        train(clock, seconds=10.0)
    assert [record.getMessage() for record in caplog.records] == [
        "Epoch 1 of 2, iteration 1 of 4: loss 1.0000, learning rate 0.005, 0:01:10 left.",
        "Epoch 1 of 2, iteration 4 of 4: loss 3.0000, learning rate 0.005, 0:00:40 left.",
        "Epoch 2 of 2, iteration 3 of 4: loss 6.0000, learning rate 0.005, 0:00:10 left.",
        "Epoch 2 of 2, iteration 4 of 4: loss 8.0000, learning rate 0.005, 0:00:00 left.",
    ]


def test_fast_iterations_do_not_flood_the_log(clock, caplog):
    with caplog.at_level(logging.INFO, logger="meddiff"):
        train(clock, seconds=0.1)
    assert len(caplog.records) == 2


def test_the_time_left_counts_what_this_run_has_done(clock, caplog):
    with caplog.at_level(logging.INFO, logger="meddiff"):
        train(clock, seconds=60.0, resumed_after=4)
    said = [re.search(r"Epoch (\d).*, (\S+) left", record.getMessage()).groups() for record in caplog.records]
    assert said == [("2", "0:03:00"), ("2", "0:02:00"), ("2", "0:01:00"), ("2", "0:00:00")]
