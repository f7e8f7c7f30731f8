"""Masks and maps as people have them, read by the preprocessing of each bundle."""

from __future__ import annotations

import numpy as np
import pytest
from hard_input import OF_MAPS, plain_affine, save, small_anatomy, small_hu, small_lesion, workflow

from meddiff_core.conditions.vocabulary import label_id
from meddiff_core.evaluation.scan_dataset import FAILED

GENERATION, INPAINTING, ANOMALY = "ct_lesion_generation", "ct_lesion_inpainting", "ct_anomaly_detection"


def organ_and_tumour():
    """As in LiTS and KiTS: the organ is 1, the tumour 2."""
    return np.where(small_lesion() > 0, 2, small_anatomy() == label_id("liver")).astype(np.uint8)


def otherwise_stored(array):
    """Left and right changed, as many tools write it."""
    affine = plain_affine()
    affine[:3, 3] += affine[:3, 0] * (array.shape[0] - 1)
    affine[:3, 0] *= -1
    return array[::-1], affine


def read(name, folder, **options):
    """The one item of the bundle's data set, with the region given."""
    scan = save(folder / "scan.nii.gz", small_anatomy() if name in OF_MAPS else small_hu())
    return workflow(name, scan, folder / "out", **options).parser.get_parsed_content("dataset")[0]


@pytest.mark.parametrize("name", [GENERATION, INPAINTING])
def test_the_lesion_of_several_values(name, tmp_path):
    mask = str(save(tmp_path / "mask.nii.gz", organ_and_tumour()))
    assert "by lesion_value, such as 2 or all" in read(name, tmp_path, lesion=mask)[FAILED]
    item = read(name, tmp_path, lesion=mask, lesion_value=2)
    np.testing.assert_array_equal(item["lesion"].numpy()[0], small_lesion())


def test_the_organ_of_several_values(tmp_path):
    mask = str(save(tmp_path / "mask.nii.gz", organ_and_tumour()))
    assert "a map of organs is given by anatomy" in read(ANOMALY, tmp_path, organ_mask=mask)[FAILED]
    item = read(ANOMALY, tmp_path, organ_mask=mask, organ_value="all")
    assert item["organ"].sum() == (organ_and_tumour() > 0).sum()


@pytest.mark.parametrize("name", ["ct_denoising", ANOMALY, INPAINTING, "ct_foundation"])
def test_a_map_in_another_order_of_axes(name, tmp_path):
    plain = save(tmp_path / "map.nii.gz", small_anatomy())
    flipped = save(tmp_path / "flipped.nii.gz", *otherwise_stored(small_anatomy()))
    expected, found = (read(name, tmp_path, anatomy=str(path)) for path in (plain, flipped))
    np.testing.assert_array_equal(found["image"].numpy(), expected["image"].numpy())


@pytest.mark.parametrize("name", ["ct_denoising", ANOMALY, "ct_synthesis", GENERATION])
def test_a_folder_of_organs(name, tmp_path):
    for organ in ("body", "liver", "spleen"):
        mask = small_anatomy() == label_id(organ) if organ != "body" else small_anatomy() > 0
        save(tmp_path / "segmentations" / f"{organ}.nii.gz", mask.astype(np.uint8))
    item = read(name, tmp_path, anatomy=str(tmp_path / "segmentations"))
    labels = item["image"].numpy()[0] if name in OF_MAPS else item["anatomy"].numpy()[0]
    assert (labels == label_id("liver")).sum() == (small_anatomy() == label_id("liver")).sum()
