"""A few slices are mirrored to and fro, and nothing else is touched."""

import pytest
import torch
from monai.data import MetaTensor

from meddiff_core.inferers.few_slices import mirrored


@pytest.mark.parametrize(
    ("slices", "wanted"),
    [
        (2, [0, 1, 0, 1, 0, 1, 0, 1]),
        (3, [0, 1, 2, 1, 0, 1, 2, 1]),
        (5, [0, 1, 2, 3, 4, 3, 2, 1]),
        (7, [0, 1, 2, 3, 4, 5, 6, 5]),
        (8, list(range(8))),
        (9, list(range(9))),
    ],
)
@pytest.mark.parametrize("axis", [2, 3, 4])
def test_order(slices, wanted, axis):
    shape = [1, 2, 9, 9, 9]
    shape[axis] = slices
    numbers = torch.arange(slices, dtype=torch.float32).reshape([-1 if a == axis else 1 for a in range(5)])
    volume = MetaTensor(numbers.expand(shape).clone(), meta={"region": "chest"})
    result = mirrored(volume, 8)
    assert result.meta["region"] == "chest"
    assert result.movedim(axis, 0)[:, 0, 0, 0, 0].tolist() == wanted
    assert all(result.shape[a] == shape[a] for a in range(5) if a != axis)
