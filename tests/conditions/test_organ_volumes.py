"""Organs of a size that nobody has are named; those that people have, and parts of organs, are not."""

import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from meddiff_core.conditions.organ_volumes import implausible_volumes
from meddiff_core.conditions.vocabulary import BODY, label_id

CT_DIR = os.environ.get("MEDDIFF_CT_DIR")


def map_with(name, volume_ml, border=False, width_mm=320):
    """A body on a grid of 1 ml voxels with one organ, a bar inside it or one that reaches the border."""
    labels = np.zeros((40, 30, 40), np.uint8)
    labels[2 : 2 + width_mm // 10, 2:28] = BODY
    inside = labels[3:19, 3:27, 0 if border else 1 : -1]
    first = np.arange(inside.size).reshape(inside.shape[::-1]).transpose(2, 1, 0) < volume_ml
    inside[first] = label_id(name)
    return labels


@pytest.mark.parametrize(
    ("name", "volume", "warned"),
    [
        ("liver", 60, True),
        ("liver", 1500, False),
        ("liver", 6000, True),
        ("spleen", 1500, True),
        ("kidney_left", 150, False),
        ("adrenal_gland_right", 120, True),
        ("brain", 100, True),
        ("lung", 5000, False),
        ("lung_upper_lobe_left", 9500, True),
    ],
)
def test_whole_organs_of_an_adult(name, volume, warned):
    found = implausible_volumes(map_with(name, volume), np.diag([10.0, 10.0, 10.0, 1.0]))
    assert len(found) == warned
    if warned:
        assert f"{volume} ml (usual: " in found[0]


def test_what_the_border_cuts_may_be_small_but_not_large():
    affine = np.diag([10.0, 10.0, 10.0, 1.0])
    assert not implausible_volumes(map_with("liver", 60, border=True), affine)
    assert implausible_volumes(map_with("liver", 6000, border=True), affine)


def test_a_child_may_have_a_small_liver():
    assert not implausible_volumes(map_with("liver", 100, width_mm=200), np.diag([10.0, 10.0, 10.0, 1.0]))


def test_orientation_and_spacing_count():
    labels = map_with("liver", 60).transpose(2, 0, 1)
    affine = np.array([[0, -10.0, 0, 0], [0, 0, 10.0, 0], [10.0, 0, 0, 0], [0, 0, 0, 1]])
    assert implausible_volumes(labels, affine) == ["liver 60 ml (usual: 450 to 5400 ml)"]


@pytest.mark.skipif(not CT_DIR, reason="set MEDDIFF_CT_DIR to a folder with maps named *_seg117.nii.gz")
def test_real_maps_are_plausible_and_maps_in_another_order_are_not():
    for path in Path(CT_DIR).rglob("*_seg117.nii.gz"):
        image = nib.load(path)
        labels = np.asarray(image.dataobj)
        assert not implausible_volumes(labels, image.affine), path.name
        # Spleen, kidneys, gall bladder, esophagus, liver, stomach, aorta, vena cava: as in BTCV.
        atlas = [1, 2, 3, 4, 15, 5, 6, 52, 63]
        renumbered = sum((number + 1) * (labels == label) for number, label in enumerate(atlas))
        if path.name.startswith("abd_ts_example"):
            assert implausible_volumes(renumbered, image.affine)
