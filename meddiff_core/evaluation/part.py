"""Which part of many scans a job takes, where several jobs share them without talking to each other."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import TypeVar

from meddiff_core.errors import InputError

T = TypeVar("T")


def part_of(items: Sequence[T], part: str | None, environment: Mapping[str, str] = os.environ) -> list[T]:
    """Every N-th item, from the k-th on.

    Args:
        items: all scans, in the same order in every job.
        part: `k/N` with k from 1 to N. `auto` takes both from a Slurm array, `auto/N` takes k alone from one
            or from a Kubernetes Indexed Job, which does not tell its size. None takes all.
        environment: variables of the job.

    Raises:
        InputError: `part` is none of these, or the variables are not set.
    """
    if part is None:
        return list(items)
    found = re.fullmatch(r"(auto|\d+)(?:/(\d+))?", str(part))
    number, count = found.groups() if found else (None, None)
    if number is None or (number != "auto" and count is None):
        raise InputError(f"part is {part!r}: use k/N, such as 1/4, or auto or auto/N in a job array.")
    if number == "auto":
        number, count = _of_job(part, count, environment)
    k, n = int(number), int(count)
    if not 1 <= k <= n:
        raise InputError(f"part is {k}/{n}: the first number goes from 1 to the second.")
    return list(items[k - 1 :: n])


def _of_job(part: str, count: str | None, environment: Mapping[str, str]) -> tuple[int, str]:
    """The number of this job from 1 on, and how many there are."""
    if "SLURM_ARRAY_TASK_ID" in environment:
        first = int(environment.get("SLURM_ARRAY_TASK_MIN", 0))
        step = int(environment.get("SLURM_ARRAY_TASK_STEP", 1))
        number = (int(environment["SLURM_ARRAY_TASK_ID"]) - first) // step + 1
        count = count or environment.get("SLURM_ARRAY_TASK_COUNT")
    elif "JOB_COMPLETION_INDEX" in environment:
        number = int(environment["JOB_COMPLETION_INDEX"]) + 1
    else:
        raise InputError(f"part is {part!r}, but this is no job of a Slurm array or Indexed Job: use k/N.")
    if count is None:
        raise InputError(f"part is {part!r}, but the job does not tell how many there are: use auto/N.")
    return number, count
