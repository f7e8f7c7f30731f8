"""Parts of many scans: together all of them, each one once."""

from __future__ import annotations

import pytest

from meddiff_core.errors import InputError
from meddiff_core.evaluation.part import part_of

SCANS = list("abcdefghijk")


@pytest.mark.parametrize("count", [1, 2, 4, 11, 15])
def test_nothing_is_lost_and_nothing_taken_twice(count):
    parts = [part_of(SCANS, f"{k}/{count}") for k in range(1, count + 1)]
    assert sorted(scan for part in parts for scan in part) == SCANS
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert part_of(SCANS, None) == SCANS


@pytest.mark.parametrize(
    ("part", "variables", "same"),
    [
        (
            "auto",
            {"SLURM_ARRAY_TASK_ID": "2", "SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_COUNT": "4"},
            "2/4",
        ),
        (
            "auto",
            {"SLURM_ARRAY_TASK_ID": "0", "SLURM_ARRAY_TASK_MIN": "0", "SLURM_ARRAY_TASK_COUNT": "4"},
            "1/4",
        ),
        (
            "auto",
            {
                **{"SLURM_ARRAY_TASK_ID": "5", "SLURM_ARRAY_TASK_MIN": "1"},
                **{"SLURM_ARRAY_TASK_STEP": "2", "SLURM_ARRAY_TASK_COUNT": "3"},
            },
            "3/3",
        ),
        ("auto/3", {"JOB_COMPLETION_INDEX": "2"}, "3/3"),
    ],
)
def test_a_job_array_tells_the_part(part, variables, same):
    assert part_of(SCANS, part, variables) == part_of(SCANS, same)


@pytest.mark.parametrize(
    ("part", "variables", "sentence"),
    [
        ("half", {}, "part is 'half': use k/N"),
        (3, {}, "part is 3: use k/N"),
        ("0/4", {}, "part is 0/4: the first number goes from 1"),
        ("5/4", {}, "part is 5/4"),
        ("auto", {}, "this is no job of a Slurm array"),
        ("auto", {"JOB_COMPLETION_INDEX": "2"}, "use auto/N"),
        ("auto/3", {"JOB_COMPLETION_INDEX": "3"}, "part is 4/3"),
    ],
)
def test_another_part_is_refused(part, variables, sentence):
    with pytest.raises(InputError, match=sentence):
        part_of(SCANS, part, variables)
