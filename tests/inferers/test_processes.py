"""Two processes that share the windows get what one process gets."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from grouped_options import grouped, windowed
from torch import distributed, multiprocessing

from meddiff_core.conditions.regions import REGIONS
from meddiff_core.diffusion.schedule import NoiseSchedule
from meddiff_core.distributed import Processes, count, gathered, rank
from meddiff_core.errors import InputError
from meddiff_core.inferers.known_part import KnownPart
from meddiff_core.inferers.memory import Memory
from meddiff_core.inferers.reconstruction import ReconstructionInferer
from meddiff_core.inferers.synthesis import SynthesisInferer
from meddiff_core.inferers.windows import Runtime

SCHEDULE = NoiseSchedule()
SHAPE = (72, 64, 40)


class Convolution:
    """A network whose output depends on the window's borders, the coordinates and the conditions."""

    divisor = 8

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.layer = torch.nn.Conv3d(5, 1, 3, padding=1)

    def __call__(self, x, timesteps, class_labels):
        return torch.tanh(self.layer(x[:, :5])) + 0.1 * class_labels.reshape(-1, 1, 1, 1, 1)


def results(split: bool) -> dict[str, torch.Tensor]:
    """Whole volumes by everything that shares windows."""
    x = torch.randn(1, 1, *SHAPE, generator=torch.Generator().manual_seed(0))
    content = np.zeros((9, 8, 5), dtype=bool)
    content[2:8, :5] = True
    known = KnownPart(content, torch.tensor(-1.0), SCHEDULE)
    options = {"window_size": 32, "precision": "float32", "split_windows": split}
    found = {}
    for name, more in {
        "fixed": {"overlap": 0.5, "window_batch": 3},
        "moving": {"moving": 2},
        "background": {"known": known},
        "moving, background, guided": {"moving": 2, "known": known, "guidance_scale": 2.0},
        "one window": {"window_size": 96},  # there is nothing for the second process
    }.items():
        denoiser = windowed(Convolution(), SHAPE, REGIONS[1], **options | more)
        found[name] = torch.cat([denoiser(x, t) for t in (800, 500, 200)])
    options = {"window_size": 32, "precision": "float32", "split_windows": split}
    inferer = ReconstructionInferer(SCHEDULE, 700, steps=3, **grouped(**options))
    found["reconstruction"] = inferer(x.clamp(-1, 1), Convolution()).as_tensor()
    labels = torch.zeros_like(x)
    labels[:, :, 16:56, 16:48] = 118
    inferer = SynthesisInferer(SCHEDULE, steps=3, region="abdomen", **grouped(**options))
    inferer.image_size = 32
    found["synthesis"] = inferer(labels, Convolution()).as_tensor() / 1000
    return found


def _process(number: int, port: int, folder: Path) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    os.environ |= {"RANK": str(number), "LOCAL_RANK": str(number), "LOCAL_WORLD_SIZE": "2"}
    torch.set_num_threads(1)
    processes = Processes("windows")
    assert (rank(), count()) == (number, 2)
    assert processes.share([0] * 3) is None
    processes.split = "volumes"
    assert list(processes.share([0] * 3)) == [[0, 2], [1]][number]
    assert list(processes.share([0])) == [[0], []][number]
    assert gathered(["a", number]) == ["a", 0, "a", 1]
    # the one with the least memory decides for both
    volume = torch.zeros(1, 1, 256, 256, 64)
    memory = Memory(
        Convolution(), volume, 1, Runtime(precision="float32", memory_limit=0.8 + number, split_windows=True)
    )
    assert len(set(gathered([memory.window("auto")]))) == 1
    torch.save(results(split=True), folder / f"{number}.pt")
    processes.leave()


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> list[dict[str, torch.Tensor]]:
    """The results of both processes."""
    folder = tmp_path_factory.mktemp("shared")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    multiprocessing.spawn(_process, (port, folder), nprocs=2)
    return [torch.load(folder / f"{number}.pt", weights_only=True) for number in range(2)]


def test_two_processes_get_what_one_gets(shared):
    for name, alone in results(split=False).items():
        for together in shared:
            torch.testing.assert_close(together[name], alone, atol=1e-5, rtol=0, msg=name)
        assert torch.equal(shared[0][name], shared[1][name]), name


def test_one_process_is_the_first_of_one():
    assert not distributed.is_initialized()
    assert (rank(), count(), gathered([1, 2])) == (0, 1, [1, 2])


def test_mistakes_are_one_sentence(monkeypatch):
    with pytest.raises(InputError, match="split is 'slices': use one of windows, volumes"):
        Processes("slices")
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    with pytest.raises(InputError, match="torchrun"):
        Processes("windows")
