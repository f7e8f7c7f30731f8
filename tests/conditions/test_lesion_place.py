"""What a sampled lesion keeps clear of."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from meddiff_core.conditions.lesion_place import keep_out
from meddiff_core.conditions.lesion_shape import sample_lesion_mask
from meddiff_core.conditions.vocabulary import BODY, label_id

LUNG, MM = label_id("lung"), (1.0, 1.0, 1.0)


@pytest.fixture
def lung():
    """A lung with a thick and a thin vessel, as labels that name neither and as HU; a rib beside it."""
    labels = np.full((60, 50, 40), BODY, np.uint8)
    labels[4:56, 4:46, 2:38] = LUNG
    labels[1:3, 4:46] = label_id("rib_left_4")
    hu = np.where(labels == LUNG, -850.0, 40.0)
    hu[27:34, 22:29] = hu[45:46, 10:11] = 40
    return labels, hu


def test_thick_vessels_and_bone_are_kept_out_thin_ones_and_the_wall_are_not(lung):
    labels, hu = lung
    taken = keep_out(labels, labels == LUNG, MM, hu)
    assert taken[28:33, 23:28, 8:32].all()
    assert not taken[40:56, 4:20].any() and not taken[4:8, 4:20, 8:32].any()
    assert taken[1:3, 10:40].all()
    assert not keep_out(labels, labels == LUNG, MM)[5:].any()  # a map alone shows no vessels of a lung


def test_lesions_keep_clear(lung):
    labels, hu = lung
    organ = labels == LUNG
    taken = keep_out(labels, organ, MM, hu)
    for seed in range(5):
        mask = sample_lesion_mask(organ, MM, 2, (10, 14), seed=seed, keep_out=taken)
        assert not (ndimage.binary_dilation(mask, np.ones((3, 3, 3))) & taken).any()


@pytest.mark.parametrize("name", ["aorta", "trachea", "iliac_vena_left", "vertebrae_T5"])
def test_named_structures_are_kept_out_unless_they_are_the_organ(name):
    labels = np.full((6, 6, 6), label_id("liver"), np.uint8)
    labels[:2] = label_id(name)
    assert keep_out(labels, labels == label_id("liver"), MM)[:2].all()
    assert not keep_out(labels, labels == label_id(name), MM).any()
