"""Several samples of one scan: items, and what the metadata says."""

from __future__ import annotations

import pytest
import torch
from monai.data import MetaTensor

from meddiff_core.errors import InputError
from meddiff_core.transforms.samples import NumberSamplesd, sample_items
from meddiff_core.transforms.scans import result_name


@pytest.fixture
def scans(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.nii.gz").touch()
    return tmp_path


def test_every_scan_is_repeated_and_numbered(scans):
    items = sample_items(scans, lesion=scans, samples=2)
    assert [(item["image"][-8], item["sample"], item["number"]) for item in items] == [
        *(("a", 0, "1"), ("a", 1, "2")),
        *(("b", 0, "1"), ("b", 1, "2")),
    ]
    assert all(item["lesion"] == item["image"] for item in items)


def test_a_single_sample_has_no_number(scans):
    (item,) = sample_items(scans / "a.nii.gz")
    assert (item["sample"], item["number"]) == (0, "")


@pytest.mark.parametrize("samples", [0, -1, 1.5, True, "two"])
def test_a_number_that_is_none_is_refused(scans, samples):
    with pytest.raises(InputError, match="samples is"):
        sample_items(scans, samples=samples)


def test_the_number_reaches_the_name_of_the_result():
    image = MetaTensor(torch.zeros(1, 2, 2, 2), meta={"filename_or_obj": "scan.nii.gz"})
    data = NumberSamplesd()({"image": image, "sample": 1, "number": "2"})
    assert result_name(data["image"].meta, "inpainted") == "scan_inpainted_2"
    assert data["image"].meta["sample"] == 1


def test_an_item_of_a_data_list_stays_as_it_is():
    image = MetaTensor(torch.zeros(1, 2, 2, 2), meta={"filename_or_obj": "scan.nii.gz"})
    assert "sample" not in NumberSamplesd()({"image": image})["image"].meta
