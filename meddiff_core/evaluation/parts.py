"""Which part of a list of scans one of several jobs takes."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import TypeVar

from meddiff_core.errors import InputError

T = TypeVar("T")

_WANTED = "use k/N, such as 1/4 for the first of four parts, or auto within a Slurm array"


def part_of(items: Sequence[T], part: str) -> list[T]:
    """Every N-th item, from the k-th on.

    Args:
        items: the same in every job.
        part: `k/N`, k from 1 to N; or `auto`, which reads both from the variables of a Slurm array; or
            `auto/N`, which also takes the index of a Kubernetes job (`JOB_COMPLETION_INDEX`).

    Raises:
        InputError: the part is none of these, or the environment does not say what `auto` needs.
    """
    index, count = _index_and_count(str(part), os.environ)
    return list(items[index::count])


def _index_and_count(part: str, environment: Mapping[str, str]) -> tuple[int, int]:
    match = re.fullmatch(r"(auto|\d+)(?:/(\d+))?", part)
    if not match or (match[1] != "auto" and not match[2]):
        raise InputError(f"part is {part}: {_WANTED}.")
    count = int(match[2]) if match[2] else _count(part, environment)
    index = _index(part, environment) if match[1] == "auto" else int(match[1]) - 1
    if not 0 <= index < count:
        raise InputError(f"part is {part}, which is part {index + 1} of {count}: {_WANTED}.")
    return index, count


def _count(part: str, environment: Mapping[str, str]) -> int:
    count = environment.get("SLURM_ARRAY_TASK_COUNT", "")
    if not count.isdigit():
        raise InputError(f"part is {part}, and no Slurm array says how many there are: use auto/N.")
    return int(count)


def _index(part: str, environment: Mapping[str, str]) -> int:
    first = int(environment.get("SLURM_ARRAY_TASK_MIN", 0))
    step = int(environment.get("SLURM_ARRAY_TASK_STEP", 1))
    if environment.get("SLURM_ARRAY_TASK_ID", "").isdigit():
        return (int(environment["SLURM_ARRAY_TASK_ID"]) - first) // step
    if environment.get("JOB_COMPLETION_INDEX", "").isdigit():
        return int(environment["JOB_COMPLETION_INDEX"])
    raise InputError(f"part is {part}, but this is no job of a Slurm array or of Kubernetes: {_WANTED}.")
