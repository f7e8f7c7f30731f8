"""HU per class and organ against values computed by hand."""

import numpy as np
import pytest

from meddiff_core.conditions.regions import HUWindow
from meddiff_core.conditions.vocabulary import BODY, label_id
from meddiff_core.metrics.hu_by_class import hu_by_class, hu_by_organ

SHAPE = (10, 10, 6)


@pytest.fixture
def anatomy():
    """Two slices each of air, liver and spleen."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[:, :, 2:4] = label_id("liver")
    labels[:, :, 4:] = label_id("spleen")
    return labels


def test_named_organs_fall_into_their_coarse_class(anatomy):
    real, generated = np.full(SHAPE, 50.0), np.full(SHAPE, 50.0)
    generated[:, :, 2:4] = 80
    assert hu_by_organ(generated, real, anatomy) == {
        "spleen": {"generated": 50, "real": 50, "difference": 0, "voxels": 200},
        "liver": {"generated": 80, "real": 50, "difference": 30, "voxels": 200},
    }
    assert hu_by_class(generated, real, anatomy) == {
        "body": {"generated": 65, "real": 50, "difference": 15, "voxels": 400}
    }


def test_coarse_classes(anatomy):
    for k, name in enumerate(("lung", "airway_gas", "fat", "bone", "body")):
        anatomy[:, :, k] = label_id(name)
    assert anatomy[0, 0, 4] == BODY
    assert sorted(hu_by_class(anatomy * 0.0, anatomy * 0.0, anatomy)) == [
        "airway_gas",
        "body",
        "bone",
        "fat",
        "lung",
    ]


def test_hu_are_clipped_to_the_window(anatomy):
    real, generated = np.full(SHAPE, 1500.0), np.full(SHAPE, 380.0)
    assert hu_by_class(generated, real, anatomy)["body"]["difference"] == -20
    assert hu_by_class(generated, real, anatomy, HUWindow(0, 600))["body"]["difference"] == 0


def test_small_classes_are_left_out(anatomy):
    anatomy[0, :, 2] = label_id("gallbladder")
    assert "gallbladder" not in hu_by_organ(anatomy, anatomy, anatomy)
    assert hu_by_organ(anatomy, anatomy, anatomy, min_voxels=10)["gallbladder"]["voxels"] == 10
    assert hu_by_class(anatomy, anatomy, np.zeros_like(anatomy)) == {}
