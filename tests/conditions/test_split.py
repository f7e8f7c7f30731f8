import numpy as np

from meddiff_core.conditions.split import split_regions
from meddiff_core.conditions.vocabulary import label_id


def whole_body() -> np.ndarray:
    """A scan of 100 slices from thigh to vertex, with the liver's dome within the extent of the lungs."""
    anatomy = np.zeros((8, 8, 100), np.uint8)
    for row, (name, start, stop) in enumerate(
        [
            ("femur_left", 0, 15),
            ("hip_left", 10, 25),
            ("liver", 35, 52),
            ("lung_lower_lobe_left", 45, 72),
            ("vertebrae_C7", 70, 75),
            ("vertebrae_C5", 76, 82),
            ("brain", 86, 98),
        ]
    ):
        anatomy[row, :, start:stop] = label_id(name)
    return anatomy


def test_regions_meet_and_overlap_where_the_anatomy_does():
    assert split_regions(whole_body()) == {
        "head_neck": slice(72, 100),
        "chest": slice(45, 72),
        "abdomen": slice(10, 52),
    }


def test_absent_regions_are_left_out():
    anatomy = whole_body()
    assert set(split_regions(anatomy[:, :, 45:72])) == {"chest", "abdomen"}
    assert split_regions(anatomy[:, :, 53:69]) == {"chest": slice(0, 16)}
    assert split_regions(np.zeros((4, 4, 5), np.uint8)) == {}


def test_stray_voxels_do_not_extend_a_region():
    anatomy = whole_body().repeat(8, axis=1)
    anatomy[7, 0, 90] = label_id("liver")
    assert split_regions(anatomy)["abdomen"] == slice(10, 52)
