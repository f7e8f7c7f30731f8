"""The curves of a training, as its logs tell them."""

from __future__ import annotations

import pytest
from torch.utils.tensorboard import SummaryWriter

from meddiff_core.errors import InputError
from meddiff_core.reports.training_curves import plot_training, read_curves


def test_a_resumed_training_continues_its_curve(tmp_path):
    for start, values in ((0, [3.0, 2.0, 9.0]), (2, [1.0, 0.5])):
        writer = SummaryWriter(str(tmp_path / "logs"))
        for step, value in enumerate(values, start):
            writer.add_scalar("loss", value, step)
        writer.close()
    ((tag, steps, values),) = read_curves(tmp_path / "logs")
    assert tag == "loss" and steps.tolist() == [0, 1, 2, 3] and values.tolist() == [3, 2, 1, 0.5]
    plot_training(str(tmp_path / "logs"), str(tmp_path / "curves.png"))
    assert (tmp_path / "curves.png").read_bytes()[:4] == b"\x89PNG"


def test_a_folder_without_logs_is_a_sentence(tmp_path):
    with pytest.raises(InputError, match="holds no TensorBoard curves"):
        plot_training(str(tmp_path), str(tmp_path / "curves.png"))
    assert not (tmp_path / "curves.png").exists()
