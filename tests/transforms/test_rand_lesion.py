"""Lesions of a pool in training patches."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from meddiff_core.errors import InputError
from meddiff_core.transforms.rand_lesion import RandLesiond

SHAPE = (40, 36, 24)


@pytest.fixture
def pool(tmp_path, save_nifti):
    """A folder with a lesion of 50 HU, a box of 8 x 6 x 5 voxels of 2 mm, in tissue of -800 HU."""
    hu, mask = np.full((20, 20, 12), -800, np.int16), np.zeros((20, 20, 12), np.uint8)
    mask[6:14, 7:13, 4:9] = 1
    hu[mask > 0] = 50
    for name, array in (("scan_inpainted", hu), ("scan_inpainted_mask", mask)):
        save_nifti(tmp_path / f"{name}.nii.gz", array, np.diag([2.0, 2.0, 2.0, 1.0]))
    return tmp_path


def patch(step=2.0, host=-800.0):
    """A patch whose upper half along x is the host, with a label map of a lesion that is there already."""
    image = torch.full((1, *SHAPE), 40.0)
    image[:, 20:] = host
    label = torch.zeros(1, *SHAPE)
    label[:, 30:32, :4, :4] = 1
    affine = torch.diag(torch.tensor([step, step, step, 1.0]))
    return {name: MetaTensor(t, affine=affine) for name, t in (("image", image), ("label", label))}


def placed(pool, seed, item=None, **options):
    transform = RandLesiond("image", pool, **{"prob": 1.0} | options)
    return transform.set_random_state(seed)(item or patch())


@pytest.mark.parametrize("seed", range(6))
def test_a_lesion_with_its_mask_in_tissue_like_its_own(pool, seed):
    before, after = patch(), placed(pool, seed)
    new = (after["label"] > 0) & (before["label"] == 0)
    assert int(new.sum()) == 8 * 6 * 5
    where = torch.nonzero(new[0])
    assert where[:, 0].min() >= 18  # in the host, but for a part of it
    changed = (after["image"] != before["image"])[0]
    assert torch.equal(changed, new[0])  # every voxel of the mask is lesion, none beside it
    assert float(after["image"][new].median()) > -100
    assert torch.equal(before["label"] > 0, (after["label"] > 0) & ~new)


def test_the_seed_decides_and_the_input_is_left_alone(pool):
    item = patch()
    kept = {name: tensor.clone() for name, tensor in item.items()}
    results = [placed(pool, seed, item)["image"] for seed in (1, 1, 2)]
    assert torch.equal(results[0], results[1]) and not torch.equal(results[0], results[2])
    assert all(torch.equal(item[name], kept[name]) for name in item)


def test_it_is_as_large_in_mm_on_other_voxels(pool):
    new = placed(pool, 0, patch(step=1.0), label_value=3)["label"] == 3
    assert int(new.sum()) == pytest.approx(8 * 8 * 6 * 5, rel=0.35)


@pytest.mark.parametrize(
    "options",
    [{"prob": 0.0}, {"item": patch(host=40.0)}],
    ids=["not drawn", "no such tissue"],
)
def test_else_nothing_happens(pool, options):
    item = options.get("item") or patch()
    after = placed(pool, 0, item, **{k: v for k, v in options.items() if k != "item"})
    assert all(torch.equal(after[name], item[name]) for name in item)


def test_within_an_organ(pool):
    item = patch(host=40.0)
    item["organ"] = torch.zeros(1, *SHAPE)
    item["organ"][:, 2:18, 2:-2, 2:-2] = 1
    new = torch.nonzero(placed(pool, 3, item, organ_key="organ", label_value=2)["label"][0] == 2)
    assert len(new) and new[:, 0].max() < 20


def test_a_pool_without_a_lesion_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no lesion"):
        RandLesiond("image", tmp_path)
