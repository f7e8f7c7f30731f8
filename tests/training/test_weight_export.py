"""The file that a bundle ships."""

from __future__ import annotations

import pytest
import torch
from ignite.engine import Engine

from meddiff_core.errors import InputError
from meddiff_core.training import weight_export
from meddiff_core.training.weight_export import WeightExport, export_weights


@pytest.fixture
def network():
    return torch.nn.Sequential(torch.nn.Conv3d(1, 4, 3), torch.nn.BatchNorm3d(4))


def test_floats_become_float16_and_counters_stay(network, tmp_path):
    path = tmp_path / "models" / "model.pt"  # the folder is made
    export_weights(network, path)
    state = torch.load(path, weights_only=True)
    assert set(state) == set(network.state_dict())
    assert state["0.weight"].dtype == torch.float16
    assert state["1.num_batches_tracked"].dtype == torch.long
    torch.testing.assert_close(state["0.weight"].float(), network[0].weight.detach(), atol=1e-3, rtol=0)
    assert not state["0.weight"].requires_grad
    assert [file.name for file in path.parent.iterdir()] == ["model.pt"]
    assert network[0].weight.dtype == torch.float32


def test_a_failed_export_leaves_the_last_good_file(network, tmp_path, monkeypatch):
    path = tmp_path / "model.pt"
    export_weights(network, path)
    good = path.read_bytes()

    def broken(state, file):
        with open(file, "wb") as handle:
            handle.write(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(weight_export.torch, "save", broken)
    with pytest.raises(InputError, match="No space left"):
        export_weights(network, path)
    assert path.read_bytes() == good
    assert list(tmp_path.iterdir()) == [path]


def test_the_handler_writes_after_every_epoch(network, tmp_path):
    path, written = tmp_path / "model.pt", []

    def train(engine, batch):
        if path.exists():
            written.append(torch.load(path, weights_only=True)["0.bias"])
        with torch.no_grad():
            network[0].bias += 1

    trainer = Engine(train)
    WeightExport(network, path).attach(trainer)
    trainer.run([0], max_epochs=3)
    assert len(written) == 2
    torch.testing.assert_close(written[1] - written[0], torch.ones(4).half(), atol=2e-3, rtol=0)
