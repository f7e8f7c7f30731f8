"""A training goes on where it stopped, or says why it cannot."""

from __future__ import annotations

import pytest
import torch
from ignite.engine import Engine

from meddiff_core.errors import InputError
from meddiff_core.training.resume import Resume


def trained(folder, width=2, optimizer=torch.optim.AdamW, epochs=2, length=3) -> Engine:
    """A trainer after its epochs, gone on from the checkpoint in the folder if there is one; saved there."""
    path = folder / "checkpoint.pt"
    network = torch.nn.Linear(width, 1)
    step = optimizer(network.parameters(), lr=0.1)

    def update(engine, batch):
        network(torch.ones(1, width)).backward()
        step.step()

    engine = Engine(update)
    state = {"network": network, "optimizer": step, "trainer": engine}
    if path.exists():
        Resume(load_path=str(path), load_dict=state, map_location="cpu").attach(engine)
    engine.run(range(length), max_epochs=epochs)
    torch.save({name: part.state_dict() for name, part in state.items()}, path)
    return engine


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"epochs": 1},
            "holds 2 epochs, and max_epochs is 1: give more to go on with it, or another output_dir",
        ),
        ({"epochs": 3, "length": 4}, "has 3 iterations an epoch, and epoch_length is 4: give 3 to go on"),
        (
            {"epochs": 3, "width": 5},
            "is damaged, or of another network or optimizer: give the options of its",
        ),
        ({"epochs": 3, "optimizer": torch.optim.SGD}, "is damaged, or of another network or optimizer"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_changes(options, sentence, tmp_path):
    trained(tmp_path)
    before = (tmp_path / "checkpoint.pt").read_bytes()
    with pytest.raises(InputError, match=f"The checkpoint .*checkpoint.pt {sentence}"):
        trained(tmp_path, **options)
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"abc", b"PK\x03\x04" + bytes(200)])
def test_a_damaged_checkpoint_is_said(content, tmp_path):
    (tmp_path / "checkpoint.pt").write_bytes(content)
    with pytest.raises(InputError, match="is damaged, or of another network"):
        trained(tmp_path)


@pytest.mark.parametrize(
    ("epochs", "iterations", "line"),
    [(2, 6, "Nothing is left to do"), (5, 15, "Going on after epoch 2 of 5")],
)
def test_it_goes_on(epochs, iterations, line, tmp_path, caplog):
    trained(tmp_path)
    with caplog.at_level("INFO", logger="meddiff"):
        assert trained(tmp_path, epochs=epochs).state.iteration == iterations
    assert line in caplog.text
