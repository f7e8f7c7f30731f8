import numpy as np
import pytest
from scipy import ndimage

from meddiff_core.conditions.lesion_shape import largest_part, sample_lesion_mask
from meddiff_core.errors import InputError

MM = (1.0, 1.0, 1.0)


@pytest.fixture
def organ():
    organ = np.zeros((60, 56, 50), bool)
    organ[4:56, 4:52, 4:46] = True
    return organ


def equivalent_diameter(mask, spacing=MM):
    return (mask.sum() * np.prod(spacing) * 6 / np.pi) ** (1 / 3)


def sphericity(mask):
    """Surface of the ball of this volume over that of the voxels: less for a rougher surface."""
    faces = sum(np.abs(np.diff(mask.astype(int), axis=axis)).sum() for axis in range(3))
    return mask.sum() ** (2 / 3) / faces


@pytest.mark.parametrize("irregularity", [0, 0.3, 1.0])
def test_lesions_are_apart_connected_and_inside(organ, irregularity):
    for seed in range(3):
        mask = sample_lesion_mask(organ, MM, 3, (8, 16), irregularity, seed)
        parts, count = ndimage.label(mask, np.ones((3, 3, 3)))
        assert count == 3 == ndimage.label(mask)[1]
        assert not (mask & ~organ).any()
        for label in (1, 2, 3):
            assert 8 * 0.85 ** (1 / 3) - 0.1 < equivalent_diameter(parts == label) < 16.1


@pytest.mark.parametrize("spacing", [MM, (0.8, 0.8, 3.0)])
def test_size_is_in_millimetres(spacing):
    organ = np.zeros((64, 64, 40), bool)
    organ[2:-2, 2:-2, 2:-2] = True
    mask = sample_lesion_mask(organ, spacing, diameter=(14, 14), irregularity=0)
    # An ellipsoid at the organ's border may lose some.
    assert 14 * 0.85 ** (1 / 3) < equivalent_diameter(mask, spacing) < 14.2
    box = ndimage.find_objects(mask.astype(np.uint8))[0]
    extent = [(along.stop - along.start) * step for along, step in zip(box, spacing, strict=True)]
    assert max(extent) < 1.3 / 0.75 * 14 + max(spacing)


def test_sizes_are_log_uniform(organ):
    sizes = [equivalent_diameter(sample_lesion_mask(organ, MM, diameter=(4, 16), seed=k)) for k in range(40)]
    assert abs(np.median(sizes) - 8) < 2


def test_irregular_is_rougher(organ):
    smooth, rough = (
        np.mean([sphericity(sample_lesion_mask(organ, MM, 1, (20, 20), value, k)) for k in range(4)])
        for value in (0.0, 1.0)
    )
    assert rough < 0.85 * smooth


def test_seed_decides(organ):
    first, again, other = (sample_lesion_mask(organ, MM, 2, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_keep_out_is_not_touched(organ):
    keep_out = np.zeros_like(organ)
    keep_out[:30] = True
    untouched = keep_out.copy()
    mask = sample_lesion_mask(organ, MM, 2, (6, 10), keep_out=keep_out)
    assert not mask[:31].any()
    assert np.array_equal(keep_out, untouched)


def test_an_organ_smaller_than_the_drawn_size():
    organ = np.zeros((40, 40, 40), bool)
    organ[14:26, 14:26, 14:26] = True
    assert 6 < equivalent_diameter(sample_lesion_mask(organ, MM, diameter=(6, 30), seed=3)) < 15


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"diameter": (60, 70)}, "has no room for 1 lesion"),
        ({"count": 30, "diameter": (15, 16)}, "has no room for 30 lesion"),
        ({"count": 0}, "number of lesions is 0"),
        ({"count": 1.5}, "number of lesions is 1.5"),
        ({"diameter": (10, 5)}, "diameter is"),
        ({"diameter": (0, 5)}, "diameter is"),
        ({"diameter": 10}, "diameter is 10"),
        ({"diameter": (10, float("nan"))}, "diameter is"),
        ({"irregularity": 1.2}, "irregularity is 1.2"),
        ({"irregularity": "high"}, "irregularity is 'high'"),
    ],
)
def test_mistakes(organ, options, words):
    with pytest.raises(InputError, match=words):
        sample_lesion_mask(organ, MM, **options)


def test_empty_organ(organ):
    with pytest.raises(InputError, match="organ for the lesion is empty"):
        sample_lesion_mask(organ & False, MM)


def test_largest_part():
    mask = np.zeros((9, 9, 9), bool)
    assert largest_part(mask)[1] == 0
    mask[0, 0, 0] = mask[4:7, 4, 4] = True
    part, count = largest_part(mask)
    assert count == 2 and part.sum() == 3 and part[5, 4, 4]


def test_at_the_surface_each_touches_it(organ):
    for seed in range(4):
        mask = sample_lesion_mask(organ, MM, 2, (8, 12), seed=seed, at_surface=True)
        parts, count = ndimage.label(mask)
        assert count == 2
        assert all((ndimage.binary_dilation(parts == label) & ~organ).any() for label in (1, 2))
