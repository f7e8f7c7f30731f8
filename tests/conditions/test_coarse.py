import numpy as np
import pytest

from meddiff_core.conditions.coarse import coarse_labels
from meddiff_core.conditions.vocabulary import label_id, label_name

SPACING = (4.0, 4.0, 4.0)


def ball(center, radius, shape=(64, 64, 24)):
    grid = np.ogrid[tuple(slice(size) for size in shape)]
    return sum((axis - c) ** 2 for axis, c in zip(grid, center, strict=True)) < radius**2


@pytest.fixture(name="trunk")
def trunk_fixture():
    """Fat around muscle, one lung, one gas bubble, one bone; the values are those of the tissues."""
    x, y, z = np.ogrid[:64, :64, :24]
    hu = np.full((64, 64, 24), -1000.0)
    hu[((x - 32) ** 2 + (y - 32) ** 2 < 28**2) & (z >= 0)] = -100
    hu[((x - 32) ** 2 + (y - 32) ** 2 < 24**2) & (z >= 0)] = 50
    hu[ball((20, 36, 12), 9)] = -850
    hu[ball((46, 36, 12), 5)] = -1000
    hu[ball((32, 18, 12), 5)] = 700
    return hu


@pytest.mark.parametrize(
    ("voxel", "name"),
    [
        ((0, 0, 12), "background"),
        ((32, 6, 12), "fat"),
        ((32, 40, 12), "body"),
        ((20, 36, 12), "lung"),
        ((46, 36, 12), "airway_gas"),
        ((32, 18, 12), "bone"),
    ],
)
def test_each_tissue_gets_its_class(trunk, voxel, name):
    labels = coarse_labels(trunk, SPACING)
    assert labels.dtype == np.uint8
    assert labels.shape == trunk.shape
    assert label_name(labels[voxel]) == name


def test_vessels_within_the_lung_belong_to_it(trunk):
    trunk[20:22, 36:38] = np.where(ball((20, 36, 12), 7)[20:22, 36:38], 40, trunk[20:22, 36:38])
    assert coarse_labels(trunk, SPACING)[20, 36, 12] == label_id("lung")


def test_trachea_is_not_lung(trunk):
    trunk[31:35, 34:38] = -1000
    trunk[28:33, 35:37, 10:14] = -1000  # a bronchus that reaches the lung
    labels = coarse_labels(trunk, SPACING)
    assert labels[33, 36, 20] == label_id("airway_gas")
    assert labels[20, 36, 12] == label_id("lung")


def test_air_alone_is_background():
    assert not coarse_labels(np.full((16, 16, 4), -1000), SPACING).any()
