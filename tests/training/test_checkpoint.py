"""The checkpoint of a training: written after every epoch, said, and taken up again."""

from __future__ import annotations

import torch
from ignite.engine import Engine

from meddiff_core.training.checkpoint import TrainingCheckpoint


def train(folder, epochs: int) -> tuple[torch.nn.Module, Engine]:
    """A training that adds 1 to its only weight in each of two iterations an epoch."""
    network = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(network.weight)

    def update(engine, batch):
        with torch.no_grad():
            network.weight += 1

    engine = Engine(update)
    TrainingCheckpoint(folder, "cpu", network=network).attach(engine)
    engine.run(range(2), max_epochs=epochs)
    return network, engine


def test_it_is_said_and_goes_on(tmp_path, caplog):
    folder = tmp_path / "new" / "run"
    with caplog.at_level("INFO", logger="meddiff"):
        train(folder, epochs=2)
        network, engine = train(folder, epochs=3)
    assert network.weight.item() == engine.state.iteration == 6
    path = folder / "checkpoint.pt"
    assert [record.getMessage() for record in caplog.records] == [
        f"Wrote {path}, to go on from epoch 1.",
        f"Wrote {path}, to go on from epoch 2.",
        f"Going on after epoch 2 of 3, from {path}.",
        f"Wrote {path}, to go on from epoch 3.",
    ]
    assert set(torch.load(path)) == {"network", "trainer"}
    assert [file.name for file in folder.iterdir()] == ["checkpoint.pt"]
