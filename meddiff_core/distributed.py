"""Several processes that work together, started by `torchrun`."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence, Sized
from datetime import timedelta
from itertools import chain
from typing import TypeVar

import torch
from torch import distributed

from meddiff_core.errors import InputError, check_choice

SPLITS = ("windows", "volumes")

# How long a process waits for the others, which may have a large volume to go. When one dies, torchrun
# ends the rest.
_PATIENCE = timedelta(days=7)

T = TypeVar("T")


class Processes:
    """The group of processes that this one belongs to; joins it.

    Args:
        split: `windows`: all work on one volume at a time and share its windows, and the first one writes;
            `volumes`: each has volumes of its own.

    Attributes:
        device: this process's GPU, or the CPU.

    Raises:
        InputError: for another `split`, or where `torchrun` has not started this process.
    """

    def __init__(self, split: str = "windows") -> None:
        check_choice("split", split, SPLITS)
        if "LOCAL_RANK" not in os.environ:
            raise InputError("This config is for several processes: start it with torchrun, see the docs.")
        self.split = split
        gpu = torch.cuda.is_available()
        if gpu and int(os.environ["LOCAL_RANK"]) >= torch.cuda.device_count():
            raise InputError(
                f"There are more processes than GPUs: use --nproc_per_node {torch.cuda.device_count()}."
            )
        self.device = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if gpu else torch.device("cpu")
        if gpu:
            torch.cuda.set_device(self.device)
        # volumes lie on the CPU, whatever the network runs on
        distributed.init_process_group("cpu:gloo,cuda:nccl" if gpu else "gloo", timeout=_PATIENCE)
        if split == "windows" and rank() > 0:
            logging.getLogger("meddiff").setLevel(logging.WARNING)

    def share(self, items: Sized) -> range | None:
        """Indices of the items that are this process's; None, which a loader takes as all, in `windows`."""
        return None if self.split == "windows" else range(rank(), len(items), count())

    @staticmethod
    def leave() -> None:
        """Leave the group, at the end."""
        distributed.destroy_process_group()


def rank() -> int:
    """Number of this process among those of its group; 0 for one alone."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def count() -> int:
    """Processes in the group; 1 for one alone."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def gathered(items: Sequence[T]) -> list[T]:
    """The items of all processes; waits until each has come to this point."""
    if count() == 1:
        return list(items)
    parts: list[Sequence[T]] = [[]] * count()
    distributed.all_gather_object(parts, items)
    return list(chain.from_iterable(parts))
