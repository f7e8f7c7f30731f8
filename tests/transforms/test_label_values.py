"""What counts in a mask, and which values are labels."""

import logging

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from meddiff_core.errors import InputError
from meddiff_core.transforms.label_values import check_labels, check_mask_value, mask_of

AFFINE = np.diag([10.0, 10.0, 10.0, 1.0])
"""A voxel is 1 ml."""


def volume(*values):
    """Each value in as many voxels as its place: the first in one, the second in two."""
    flat = np.concatenate([np.full(n, value, np.float32) for n, value in enumerate(values, start=1)])
    return MetaTensor(torch.from_numpy(flat)[None, :, None, None], affine=AFFINE)


def counted(*values, **options):
    return int(mask_of(volume(*values), "The mask m", "lesion_value", **options).sum())


@pytest.mark.parametrize(
    ("values", "within"),
    [
        ((1, 0), 1),
        ((0, 255), 2),
        ((0, -1), 2),  # 255 in a signed byte
        ((0, 1.0000001), 2),
        ((0, 0), 0),
        ((3, 3), 3),
        ((0, 0.3, 0.6, 1), 7),  # probabilities: 0.6 and 1
        ((0, 0.49, 0.5), 3),
        ((-0.08, 0, 0.2, 1.07, 1), 9),  # interpolated by a spline
        ((0, 0.2, 0.3), 0),
    ],
)
def test_one_value_or_probabilities(values, within):
    assert counted(*values) == within


@pytest.mark.parametrize(
    ("value", "within"), [(1, 2), (2, 3), ((1, 2), 5), ([2, 3], 3), ("all", 5), (7, 0), (-1, 0)]
)
def test_the_value_is_named(value, within, caplog):
    with caplog.at_level(logging.WARNING, logger="meddiff"):
        assert counted(0, 1, 2, value=value) == within
    assert ("but 1 (2 ml), 2 (3 ml): nothing of it counts" in caplog.text) == (within == 0)


def test_several_values_are_refused_with_their_volumes():
    with pytest.raises(InputError) as caught:
        counted(0, 1, 2, names={2: "tumour"})
    assert str(caught.value) == (
        "The mask m holds several values, 1 (2 ml), 2 tumour (3 ml): name what counts by lesion_value, "
        "such as 2 or all; a map of organs is given by anatomy."
    )
    with pytest.raises(InputError, match="and 2 more"):
        counted(*range(9))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((0, 0.5, 2), "fractions from 0 to 2"),  # two values, interpolated
        ((-3.5, 0.5, 1), "fractions from -3.5"),
        ((0, 127.5, 255), "nearest neighbour"),
        ((0, np.nan), "NaN"),
        ((0, 1, np.inf), "infinite"),
    ],
)
def test_neither_mask_nor_probabilities(values, words):
    with pytest.raises(InputError, match=f"^The mask m holds .*{words}"):
        counted(*values)


@pytest.mark.parametrize("value", [0, 0.5, True, "tumour", [], [1, 0], "2"])
def test_no_value_of_a_mask(value):
    with pytest.raises(InputError, match="lesion_value is"):
        check_mask_value("lesion_value", value)


@pytest.mark.parametrize("value", [None, 2, -1, [1, 2], (3,), "all"])
def test_a_value_of_a_mask(value):
    check_mask_value("lesion_value", value)


def test_labels_that_were_floats_are_rounded():
    labels = check_labels(volume(0, 1.0000001, 4.9991, 117.00001), "The map")
    assert sorted(set(labels.flatten().tolist())) == [0, 1, 5, 117]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (4.9, "the value 4.9: .*whole numbers from 0.* nearest neighbour"),
        (5.002, "the value 5.002:"),
        (200, "the value 200:"),
        (-1, "the value -1:"),
        (np.nan, "NaN"),
    ],
)
def test_no_labels(value, words):
    with pytest.raises(InputError, match=f"^The map holds {words}"):
        check_labels(volume(0, 1, value), "The map")
