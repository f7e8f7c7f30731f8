"""Boxes: what is in them, how large they are, and that no two overlap."""

from __future__ import annotations

import numpy as np
import pytest

from meddiff_core.conditions.boxes import lesion_boxes


def mask_of(shape, *parts):
    mask = np.zeros(shape, bool)
    for part in parts:
        mask[tuple(slice(*ends) for ends in part)] = True
    return mask


def sizes(box):
    return tuple(along.stop - along.start for along in box)


def test_a_box_has_the_part_in_its_middle_and_the_margin_around_it():
    mask = mask_of((100, 90, 80), [(40, 50), (30, 40), (30, 42)])
    ((x, y, z),) = lesion_boxes(mask, margin=(5, 10, 20), least=16)
    assert (x, y, z) == (slice(35, 55), slice(20, 50), slice(10, 62))


@pytest.mark.parametrize("corner", [(0, 3), (97, 100)])
def test_at_the_border_a_box_moves_inwards_and_keeps_its_size(corner):
    mask = mask_of((100, 100, 10), [corner, corner, (0, 10)])
    ((x, y, z),) = lesion_boxes(mask, margin=(4, 4, 4), least=33, divisor=8)
    assert sizes((x, y, z)) == (40, 40, 10)
    assert x == y == (slice(0, 40) if corner[0] == 0 else slice(60, 100))


def test_parts_that_share_a_box_are_one_and_others_are_not():
    near = [[(10, 14)] * 3, [(10, 14), (10, 14), (25, 30)]]
    far = [[(70, 75)] * 3]
    boxes = lesion_boxes(mask_of((96, 96, 96), *near, *far), margin=(8, 8, 8), least=8)
    assert len(boxes) == 2
    assert sorted(mask_of((96, 96, 96), *near)[box].sum() for box in boxes) == [0, 144]


def test_boxes_never_overlap_and_hold_every_voxel_of_a_speckled_mask():
    mask = np.random.default_rng(0).random((120, 110, 60)) < 3e-5
    boxes = lesion_boxes(mask, margin=(3, 3, 3), least=16, divisor=8)
    covered = np.zeros(mask.shape, int)
    for box in boxes:
        covered[box] += 1
    assert len(boxes) > 2
    assert covered.max() == 1
    assert covered[mask].all()


def test_an_empty_mask_has_no_box():
    assert lesion_boxes(np.zeros((20, 20, 20), bool), (2, 2, 2), 8) == []
