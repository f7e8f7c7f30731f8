"""Holes and bites of an organ that tumours with a label of their own leave."""

import numpy as np

from meddiff_core.conditions.closed_organ import left_out

SPACING = (2.0, 2.0, 4.0)


def volumes():
    """An organ of 80 x 80 x 64 mm; a hole of tissue, one of gas, a bite of 16 mm and one of 40 mm."""
    organ = np.zeros((60, 60, 24), bool)
    organ[10:50, 10:50, 4:20] = True
    hu = np.where(organ, 100.0, -100.0)
    parts = {
        "hole": np.s_[20:26, 20:26, 8:12],
        "gas": np.s_[20:26, 30:36, 8:12],
        "bite": np.s_[10:18, 36:44, 8:12],
        "large": np.s_[30:50, 25:45, 7:17],
    }
    for name, part in parts.items():
        organ[part], hu[part] = False, -900 if name == "gas" else 40
    return organ, hu, parts


def test_holes_and_small_bites_of_tissue_are_left_out():
    organ, hu, parts = volumes()
    added = left_out(organ, hu, SPACING)
    assert added[parts["hole"]].all() and added[parts["bite"]].mean() > 0.8
    assert not added[parts["gas"]].any() and not (added & organ).any()
    assert added[parts["large"]].mean() < 0.5
    assert not added[:8].any() and not added[52:].any()


def test_holes_alone():
    organ, hu, _ = volumes()
    assert np.argwhere(left_out(organ, hu, SPACING, bite=0)).min(axis=0).tolist() == [20, 20, 8]
    assert not left_out(np.zeros_like(organ), hu, SPACING).any()
