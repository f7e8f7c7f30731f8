"""Patches of three levels. The image is a volume whose intensity IS the coordinate, so both must agree."""

from __future__ import annotations

import pytest
import torch
from monai.transforms import Compose, OneOf, RandFlipd, RandRotate90d
from torch.nn import functional as F

from meddiff_core.conditions.position import coordinates
from meddiff_core.transforms.multi_level import (
    Coordinatesd,
    RandLevelPatchd,
    box_coordinates,
    mirror_to,
    resample_antialiased,
)

ROI = 16
LEVELS = [1, 2, None]


def volume(shape):
    """Coordinates as the image, the index along the first axis as the label (1, 2, ...)."""
    labels = torch.arange(1, shape[0] + 1, dtype=torch.int16).reshape(1, -1, 1, 1).expand(1, *shape)
    return {"image": coordinates(shape), "anatomy": labels.contiguous()}


def patch(shape, zoom, seed=0, **options):
    transform = RandLevelPatchd(("image", "anatomy"), ROI, zoom, **options)
    transform.set_random_state(seed)
    return transform(volume(shape))


# larger than the patch by any factor; hardly larger; smaller; one slice
SHAPES = [(40, 64, 48), (50, 17, 35), (9, 40, 12), (33, 20, 1)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("zoom", LEVELS)
def test_every_voxel_keeps_the_coordinates_it_came_from(shape, zoom):
    for seed in range(5):
        result = patch(shape, zoom, seed)
        assert result["image"].shape == result["coords"].shape == (3, ROI, ROI, ROI)
        # where a volume grows, the image stops at the centre of its border voxels, the coordinates do not
        coords = result["coords"].clamp(-1, 1)
        voxel = 2 / max(1, min(n for n in shape if n > 1) - 1)
        tolerance = 1e-5 if zoom == 1 or (zoom == 2 and all(n % 2 == 0 for n in shape)) else 0.15 * voxel
        torch.testing.assert_close(result["image"], coords, atol=tolerance, rtol=0)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("zoom", LEVELS)
def test_labels_are_those_of_the_nearest_voxel(shape, zoom):
    result = patch(shape, zoom)
    index = (result["coords"][:1] + 1) / 2 * (shape[0] - 1)
    assert float((result["anatomy"] - 1 - index).abs().max()) <= 0.5 + 1e-4


@pytest.mark.parametrize(("zoom", "spacing"), [(1, 1.0), (2, 2.0), (None, 64 / ROI)])
def test_the_level_is_the_distance_between_voxels(zoom, spacing):
    steps = patch((64, 64, 64), zoom)["coords"][0, :, 0, 0].diff()
    torch.testing.assert_close(steps, torch.full((ROI - 1,), spacing * 2 / 63), atol=1e-5, rtol=0)


def test_the_whole_volume_is_in_the_whole_patch():
    coords = patch((64, 48, 32), None)["coords"]
    # the outermost voxels of the patch are the means of 4, 3 and 2 voxels
    for axis, (n, f) in enumerate(((64, 4), (48, 3), (32, 2))):
        assert float(coords[axis].max()) == pytest.approx(1 - (f - 1) / (n - 1), abs=1e-5)
        assert float(coords[axis].min()) == pytest.approx(-1 + (f - 1) / (n - 1), abs=1e-5)


@pytest.mark.parametrize("zoom", [1, 2])
def test_thin_volumes_are_mirrored_in_image_labels_and_coordinates(zoom):
    result = patch((8 * zoom, 40, 40), zoom)
    for key in ("image", "anatomy", "coords"):
        assert torch.equal(result[key][:, 8:], result[key][:, :8].flip(1)), key


def test_mirroring_goes_there_and_back_as_often_as_needed():
    x = torch.arange(3.0).reshape(1, 3, 1, 1)
    assert mirror_to(x, (8, 1, 1)).flatten().tolist() == [0, 1, 2, 2, 1, 0, 0, 1]
    assert mirror_to(x, (3, 2, 1)).shape == (1, 3, 2, 1)
    assert mirror_to(x[:, :1], (4, 1, 1)).flatten().tolist() == [0, 0, 0, 0]


def _body_share(seed, **options):
    data = {"image": torch.zeros(1, 64, 64, 64), "anatomy": torch.zeros(1, 64, 64, 64, dtype=torch.uint8)}
    data["anatomy"][:, 32:] = 118
    transform = RandLevelPatchd(("image", "anatomy"), ROI, 1, **options)
    transform.set_random_state(seed)
    return float((transform(data)["anatomy"] > 0).float().mean())


def test_patches_hold_some_body():
    with_body = [_body_share(seed, min_body=0.3, tries=40) for seed in range(20)]
    without = [_body_share(seed, min_body=0.0) for seed in range(20)]
    assert min(with_body) >= 0.2  # 0.3 of every fourth voxel
    assert min(without) == 0.0


def test_the_best_box_is_taken_if_none_has_enough():
    one, eight = ([_body_share(seed, min_body=2.0, tries=n) for seed in range(20)] for n in (1, 20))
    assert sum(eight) / 20 > 0.95
    assert sum(one) / 20 < 0.8
    # a volume of air gives a patch all the same
    air = {"image": torch.zeros(1, 20, 20, 20), "anatomy": torch.zeros(1, 20, 20, 20)}
    assert RandLevelPatchd(("image", "anatomy"), ROI)(air)["image"].shape == (1, ROI, ROI, ROI)


def _augmented():
    keys = ("image", "anatomy", "coords")
    return Compose(
        [
            OneOf([RandLevelPatchd(("image", "anatomy"), ROI, zoom) for zoom in LEVELS]),
            RandFlipd(keys, spatial_axis=0, prob=0.5),
            RandFlipd(keys, spatial_axis=2, prob=0.5),
            RandRotate90d(keys, spatial_axes=(0, 1), prob=0.5),
        ]
    )


def test_one_of_three_levels_then_flips_and_the_voxels_still_keep_their_coordinates():
    transform = _augmented()
    transform.set_random_state(0)
    spacings = set()
    for _ in range(20):
        result = transform(volume((64, 32, 32)))
        torch.testing.assert_close(result["image"], result["coords"], atol=1e-4, rtol=0)
        # along the first axis of the volume, wherever a rotation took it
        steps = torch.stack([result["coords"][0].diff(dim=axis).abs().max() for axis in range(2)])
        spacings.add(round(float(steps.max()) * 63 / 2))
    assert spacings == {1, 2, 4}


def test_the_random_state_decides():
    def draw(seed):
        transform = _augmented()
        transform.set_random_state(seed)
        return [transform(volume((64, 48, 32)))["coords"] for _ in range(3)]

    first, again, other = draw(0), draw(0), draw(1)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first, other, strict=True))


def test_the_item_is_not_changed():
    item = volume((20, 20, 20))
    before = {key: value.clone() for key, value in item.items()}
    RandLevelPatchd(("image", "anatomy"), ROI, 2)(item)
    assert item.keys() == before.keys()
    assert all(torch.equal(item[key], value) for key, value in before.items())


def test_whole_factors_are_block_means():
    image = torch.randn(2, 12, 8, 6, generator=torch.Generator().manual_seed(0))
    result = resample_antialiased(image, (4, 4, 6))
    torch.testing.assert_close(result, F.avg_pool3d(image, (3, 2, 1)))


@pytest.mark.parametrize("size", [(7, 6, 5), (11, 12, 9), (5, 12, 3)])
def test_shrinking_keeps_the_mean_and_removes_noise(size):
    image = torch.randn(1, 12, 12, 12, generator=torch.Generator().manual_seed(0))
    result = resample_antialiased(image, size)
    assert result.shape == (1, *size)
    torch.testing.assert_close(result.mean(), image.mean())
    assert float(result.std()) < float(image.std())


def test_growing_interpolates_between_voxels():
    image = torch.tensor([0.0, 1.0]).reshape(1, 2, 1, 1)
    assert resample_antialiased(image, (4, 1, 1)).flatten().tolist() == [0.0, 0.25, 0.75, 1.0]


def test_box_coordinates_of_the_whole_are_the_coordinates():
    for shape in ((5, 4, 3), (5, 4, 1)):
        torch.testing.assert_close(box_coordinates((0, 0, 0), shape, shape, shape), coordinates(shape))


def test_coordinates_of_a_whole_volume():
    result = Coordinatesd("image")({"image": torch.zeros(1, 5, 4, 3)})
    assert torch.equal(result["coords"], coordinates((5, 4, 3)))


def test_an_axis_can_have_a_zoom_of_its_own():
    result = patch((40, 64, 48), (1, 1, 2))
    assert result["image"].shape == (3, ROI, ROI, ROI)
    step = (
        (result["coords"][:, 1, 1, 1] - result["coords"][:, 0, 0, 0]) * (torch.tensor([40, 64, 48]) - 1) / 2
    )
    torch.testing.assert_close(step, torch.tensor([1.0, 1.0, 2.0]))
    torch.testing.assert_close(result["image"], result["coords"], atol=1e-5, rtol=0)


@pytest.mark.parametrize("zoom", LEVELS)
def test_a_patch_around_a_lesion_holds_it(zoom):
    data = volume((40, 64, 48))
    lesion = torch.zeros(1, 40, 64, 48)
    lesion[0, 38:, 0:3, 20:23] = 1
    voxels = [None, lesion.flatten().nonzero()[:, 0].numpy()]
    transform = RandLevelPatchd(("image", "anatomy", "lesion"), ROI, zoom, voxels_key="voxels")
    for seed in range(5):
        transform.set_random_state(seed)
        result = transform(data | {"lesion": lesion, "voxels": voxels})
        assert result["lesion"].shape == (1, ROI, ROI, ROI) and result["lesion"].any()


def test_a_second_image_is_resized_as_an_image():
    data = volume((40, 64, 48))
    transform = RandLevelPatchd(
        ("image", "anatomy", "thick"), ROI, 2, mode=("area", "nearest", "area"), allow_missing_keys=True
    )
    transform.set_random_state(0)
    result = transform(data | {"thick": data["image"].clone()})
    assert torch.equal(result["thick"], result["image"])
    assert "thick" not in transform(data)
