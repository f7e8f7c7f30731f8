"""Gradient clipping within MONAI's trainer."""

from __future__ import annotations

import pytest
import torch
from monai.engines import SupervisedTrainer
from monai.engines.utils import IterationEvents

from meddiff_core.training.gradient_clipping import GradientClipping


def _step(scale: float, max_norm: float | None, accumulation_steps: int = 1) -> float:
    """How far plain gradient descent with rate 1 moves the weights in one epoch of two batches."""
    torch.manual_seed(0)
    network = torch.nn.Linear(3, 1)
    before = torch.nn.utils.parameters_to_vector(network.parameters()).detach().clone()
    data = [{"image": torch.ones(2, 3), "label": torch.zeros(2, 1)}] * accumulation_steps
    norms = []
    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=1,
        train_data_loader=data,
        network=network,
        optimizer=torch.optim.SGD(network.parameters(), lr=1.0),
        loss_function=lambda pred, target: scale * (pred - 5).abs().mean(),
        accumulation_steps=accumulation_steps,
        train_handlers=[GradientClipping(network, max_norm)] if max_norm else [],
    )
    trainer.add_event_handler(
        IterationEvents.BACKWARD_COMPLETED,
        lambda engine: norms.append(float(torch.cat([p.grad.ravel() for p in network.parameters()]).norm())),
    )
    trainer.run()
    after = torch.nn.utils.parameters_to_vector(network.parameters()).detach()
    assert float((after - before).norm()) == pytest.approx(norms[-1], rel=1e-4)
    return norms[-1]


def test_large_gradients_are_scaled_down_to_the_norm():
    assert _step(1000.0, None) == pytest.approx(2000.0)
    assert _step(1000.0, 1.0) == pytest.approx(1.0, rel=1e-4)
    assert _step(1000.0, 0.1) == pytest.approx(0.1, rel=1e-4)


def test_small_gradients_stay():
    assert _step(0.1, 1.0) == pytest.approx(0.2)


def test_the_step_of_accumulated_gradients_is_clipped_too():
    assert _step(1000.0, 1.0, accumulation_steps=2) <= 1.0 + 1e-4
