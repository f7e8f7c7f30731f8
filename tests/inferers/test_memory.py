"""A run that would not fit is refused before it starts, with a sentence that says what would."""

from __future__ import annotations

import re

import pytest
import torch
from grouped_options import grouped

from meddiff_core.diffusion.schedule import NoiseSchedule
from meddiff_core.errors import InputError
from meddiff_core.inferers import memory as module
from meddiff_core.inferers.denoising import DenoisingInferer
from meddiff_core.inferers.memory import CPU_WINDOW, VOLUME_COPIES, Memory
from meddiff_core.inferers.windows import Runtime

GB = 10**9


class Network:
    divisor = 8
    activation_bytes = {torch.float32: 1000, torch.bfloat16: 500, torch.float16: 500}

    def __call__(self, x, timesteps, class_labels):
        return torch.zeros_like(x[:, :1])


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    """A machine on which this process has 1 GB and could have 10 GB more."""
    monkeypatch.setattr(module, "_used_and_free", lambda device: (1 * GB, 10 * GB))


def memory(size=256, limit=None, batch=1):
    volume = torch.zeros(1).expand(1, 1, size, size, size)
    return Memory(Network(), volume, batch, Runtime(precision="float32", memory_limit=limit))


def test_what_is_needed_grows_with_window_batch_and_volume():
    base = 1 * GB + VOLUME_COPIES * 4 * 256**3
    assert memory().needed(64) == base + 1000 * 64**3
    assert memory().needed((64, 32, 300)) == base + 1000 * 64 * 32 * 256  # no larger than the volume
    assert memory(batch=3).needed(64) == base + 3000 * 64**3
    half = Memory(Network(), torch.zeros(1, 1, 8, 8, 8), 1, Runtime(precision="bfloat16"))
    assert half.needed(8) == 1 * GB + VOLUME_COPIES * 4 * 512 + 500 * 512


def test_a_network_that_says_nothing_is_taken_for_the_compact_one():
    made = Memory(object(), torch.zeros(1, 1, 8, 8, 8), 1, Runtime(precision="float32"))
    assert made.needed(8) - made.base == module.ACTIVATION_BYTES[torch.float32] * 512


def test_auto_is_the_fastest_window_and_shrinks_until_it_fits():
    assert memory().window("auto") == CPU_WINDOW
    sizes = [memory(limit=limit).window("auto") for limit in (2.4, 2.2, 2.0, 1.7)]
    assert sizes == sorted(sizes, reverse=True)
    assert CPU_WINDOW > sizes[0] > sizes[-1] >= module.LEAST_WINDOW
    for limit, size in zip((2.4, 2.2, 2.0, 1.7), sizes, strict=True):
        assert memory().needed(size) <= limit * GB < memory().needed(size + 16)


def test_a_given_window_is_taken_or_refused_with_one_that_fits():
    assert memory(limit=4.0).window(96) == 96
    assert memory(limit=4.0).window([64, 64, 32]) == [64, 64, 32]
    with pytest.raises(InputError) as caught:
        memory(limit=2.0).window(128)
    sentence = str(caught.value)
    assert sentence == (
        "Windows of 128 voxels need about 3.6 GB, memory_limit allows 2.0 GB: use --window_size 64 or less."
    )
    assert memory(limit=2.0).window(64) == 64
    with pytest.raises(
        InputError, match=r"Windows of 256x256x256 voxels need about 18.3 GB, free are 10.0 GB"
    ):
        memory().window([256, 256, 256])


def test_where_no_window_fits_the_sentence_says_what_to_do():
    with pytest.raises(InputError, match=r"about 1.6 GB .* memory_limit allows 1.2 GB: raise memory_limit"):
        memory(limit=1.2).window("auto")
    with pytest.raises(InputError, match=r"about 35.4 GB .* free are 10.0 GB: free memory, or crop the scan"):
        memory(size=1024).window(64)


def inferer(**options):
    return DenoisingInferer(NoiseSchedule(), noise_level=30, **grouped(precision="float32", **options))


@pytest.mark.parametrize("size", ["auto", 96])
def test_an_inferer_refuses_before_it_starts(size):
    with pytest.raises(InputError, match="memory_limit") as caught:
        inferer(memory_limit=1.001, window_size=size)(torch.zeros(1, 1, 32, 32, 32), Network())
    assert re.fullmatch(r"[^\n]+\.", str(caught.value))


@pytest.mark.parametrize("value", [0, -1, "much", float("nan")])
def test_an_impossible_limit_is_named(value):
    with pytest.raises(InputError, match=r"memory_limit is .* GB above 0"):
        inferer(memory_limit=value)


def test_free_memory_is_shared_with_the_other_processes_of_this_machine(monkeypatch):
    monkeypatch.undo()
    used, free = module._used_and_free(torch.device("cpu"))
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert module._used_and_free(torch.device("cpu"))[1] == pytest.approx(free / 4, rel=0.2)
    assert used > 10**7


def test_what_torch_keeps_on_a_gpu_is_free(monkeypatch):
    monkeypatch.undo()  # the machine above
    for name, value in {"memory_allocated": 2 * GB, "memory_reserved": 30 * GB}.items():
        monkeypatch.setattr(torch.cuda, name, lambda device, value=value: value)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10 * GB, 80 * GB))
    assert module._used_and_free(torch.device("cuda")) == (2 * GB, 38 * GB)
