import numpy as np
import pytest

from meddiff_core.conditions.regions import REGIONS
from meddiff_core.conditions.vocabulary import (
    BODY,
    COARSE_OF,
    LABEL_REGIONS,
    LABELS,
    NUM_LABELS,
    label_id,
    label_name,
)
from meddiff_core.errors import InputError


@pytest.mark.parametrize(
    ("label", "name"),
    [
        (0, "background"),
        (1, "spleen"),
        (5, "liver"),
        (25, "sacrum"),
        (51, "heart"),
        (52, "aorta"),
        (79, "spinal_cord"),
        (90, "brain"),
        (91, "skull"),
        (92, "rib_left_1"),
        (104, "rib_right_1"),
        (117, "costal_cartilages"),
        (118, "body"),
        (119, "lung"),
    ],
)
def test_ids_are_those_of_totalsegmentator_v2(label, name):
    assert label_id(name) == label
    assert label_name(label) == name


def test_ids_are_contiguous_and_names_unique():
    assert sorted(LABELS) == list(range(NUM_LABELS))
    assert len(set(LABELS.values())) == NUM_LABELS
    assert BODY == 118


def test_every_label_names_a_coarse_class_and_known_regions():
    assert COARSE_OF.shape == (NUM_LABELS,)
    assert set(COARSE_OF[1:]) <= set(range(BODY, NUM_LABELS))
    assert COARSE_OF[0] == 0
    assert {region for regions in LABEL_REGIONS.values() for region in regions} <= set(REGIONS)
    assert all(LABEL_REGIONS[label] for label in range(1, NUM_LABELS))


def test_coarse_table_maps_a_volume():
    names = ["lung_upper_lobe_left", "trachea", "vertebrae_L1", "liver"]
    anatomy = np.array([label_id(name) for name in names])
    assert [label_name(label) for label in COARSE_OF[anatomy]] == ["lung", "airway_gas", "bone", "body"]


def test_unknown_name_suggests_close_ones():
    with pytest.raises(InputError, match=r"'kidny_left'.*kidney_left"):
        label_id("kidny_left")
    with pytest.raises(InputError, match="123"):
        label_name(123)
