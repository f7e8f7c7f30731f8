"""Networks with something around them: a clock, or the memory layout that PyTorch has by default."""

from __future__ import annotations

import copy
import time
from typing import Any

import torch

from meddiff_core.inferers.windowed import Network


class _Around:
    """A network that has all attributes of the one inside."""

    def __init__(self, network: Network) -> None:
        self.network = network

    def __getattr__(self, name: str) -> Any:
        return getattr(self.network, name)


class TimedNetwork(_Around):
    """Counts the windows (`forwards`) and voxels that go through a network, and the seconds in it."""

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        self.forwards = self.voxels = 0
        self.seconds = 0.0

    def __call__(self, x: torch.Tensor, **options: Any) -> torch.Tensor:
        begin = time.perf_counter()
        prediction = self.network(x, **options)
        if prediction.is_cuda:  # it has only been asked for so far
            torch.cuda.synchronize(prediction.device)
        self.seconds += time.perf_counter() - begin
        self.forwards += len(x)
        self.voxels += x[:, 0].numel()
        return prediction


class DefaultLayout(_Around):
    """A copy of a network that works on inputs and weights with the channels first."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__(copy.deepcopy(network).to(memory_format=torch.contiguous_format))

    def __call__(self, x: torch.Tensor, **options: Any) -> torch.Tensor:
        return self.network(x.contiguous(), **options)
