"""Training, validation and test sets that share no patient."""

from __future__ import annotations

import random
from collections.abc import Iterable


def split_patients(
    patients: Iterable[str], seed: int = 0, val_fraction: float = 0.05, test_fraction: float = 0.05
) -> dict[str, str]:
    """Assign every patient to `training`, `validation` or `test`.

    The shares are rounded to whole patients. Of three or more, validation gets at least one: without it a
    training run cannot be judged, and with fewer too little would be left to train on.

    Args:
        patients: patient ids, repeated or not; their order does not matter.
        seed: of the shuffle.
        val_fraction: share of the patients for validation (0.05 in the paper).
        test_fraction: share of the patients for the test (0.05 in the paper).
    """
    shuffled = sorted(set(patients))
    random.Random(seed).shuffle(shuffled)
    count = len(shuffled)
    at_least = 1 if count >= 3 and val_fraction > 0 else 0
    validation = max(at_least, round(count * val_fraction))
    test = round(count * test_fraction)
    names = ["validation"] * validation + ["test"] * test
    return dict(zip(shuffled, names + ["training"] * (count - len(names)), strict=True))
