import hashlib

import nibabel as nib
import numpy as np
import pytest

from meddiff_core.conditions.coarse import coarse_labels
from meddiff_core.conditions.detect import detect_region
from meddiff_core.conditions.vocabulary import COARSE_OF, label_id
from meddiff_core.errors import InputError
from meddiff_core.phantoms import make_phantom
from meddiff_core.phantoms.shapes import Column, Ellipsoid, HalfSpace, Tube
from meddiff_core.phantoms.texture import smooth_noise

SHAPE, SPACING = (48, 48, 40), (6.5, 6.5, 7.2)
EXPECTED = {
    "head_neck": ["brain", "skull", "trachea", "vertebrae_C4", "thyroid_gland"],
    "chest": [
        "heart",
        "aorta",
        "lung_upper_lobe_left",
        "lung_middle_lobe_right",
        "sternum",
        "rib_left_5",
        "liver",
    ],
    "abdomen": [
        "liver",
        "spleen",
        "kidney_left",
        "kidney_right",
        "stomach",
        "colon",
        "aorta",
        "vertebrae_L3",
    ],
}


@pytest.fixture(name="phantoms", scope="module")
def phantoms_fixture():
    return {region: make_phantom(region, SHAPE, SPACING, seed=3, lesions=2) for region in EXPECTED}


@pytest.mark.parametrize("region", EXPECTED)
def test_volumes_and_geometry(phantoms, region):
    phantom = phantoms[region]
    assert phantom.region == region
    assert phantom.hu.shape == phantom.anatomy.shape == phantom.lesion.shape == SHAPE
    assert (phantom.hu.dtype, phantom.anatomy.dtype, phantom.lesion.dtype) == (np.int16, np.uint8, np.uint8)
    assert nib.aff2axcodes(phantom.affine) == ("R", "A", "S")
    middle = (np.array(SHAPE) - 1) / 2
    np.testing.assert_allclose(nib.affines.apply_affine(phantom.affine, middle), 0, atol=1e-9)
    np.testing.assert_allclose(nib.affines.voxel_sizes(phantom.affine), SPACING)


@pytest.mark.parametrize("region", EXPECTED)
def test_organs_are_there_at_their_density(phantoms, region):
    phantom = phantoms[region]
    present = set(np.unique(phantom.anatomy))
    assert {label_id(name) for name in EXPECTED[region]} <= present
    assert np.median(phantom.hu[phantom.anatomy == 0]) == pytest.approx(-1000, abs=10)
    for name, low, high in (("liver", 85, 130), ("lung_lower_lobe_left", -900, -700), ("brain", 20, 45)):
        if label_id(name) in present:
            assert low < np.median(phantom.hu[phantom.anatomy == label_id(name)]) < high


@pytest.mark.parametrize(("organ", "side"), [("liver", 1), ("spleen", -1), ("kidney_left", -1)])
def test_left_and_right_are_those_of_the_affine(phantoms, organ, side):
    phantom = phantoms["abdomen"]
    voxels = np.argwhere(phantom.anatomy == label_id(organ))
    assert np.sign(nib.affines.apply_affine(phantom.affine, voxels)[:, 0].mean()) == side


@pytest.mark.parametrize("region", EXPECTED)
def test_region_is_detected_from_hu_and_from_labels(phantoms, region):
    phantom = phantoms[region]
    assert detect_region(phantom.hu, phantom.affine)[0] == region
    assert detect_region(phantom.hu, phantom.affine, anatomy=phantom.anatomy)[0] == region


def test_coarse_labels_agree_with_the_lungs(phantoms):
    phantom = phantoms["chest"]
    found = coarse_labels(phantom.hu, phantom.spacing) == label_id("lung")
    truth = COARSE_OF[phantom.anatomy] == label_id("lung")
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.85


@pytest.mark.parametrize("region", EXPECTED)
def test_lesions_lie_in_organs_and_stand_out(phantoms, region):
    phantom = phantoms[region]
    mask = phantom.lesion > 0
    assert set(np.unique(phantom.lesion)) == {0, 1}
    healthy = make_phantom(region, SHAPE, SPACING, seed=3)
    assert not healthy.lesion.any()
    np.testing.assert_array_equal(healthy.anatomy, phantom.anatomy)
    assert np.abs(phantom.hu[mask].astype(int) - healthy.hu[mask]).mean() > 10
    far = ~mask & (phantom.hu != healthy.hu)
    assert far.sum() < 12 * mask.sum()  # partial volume around the lesions, nothing else


def test_same_seed_same_bytes_other_seed_another_patient():
    first, again, other = (
        make_phantom("head_neck", (24, 24, 16), seed=seed, lesions=1) for seed in (1, 1, 2)
    )
    for field in ("hu", "anatomy", "lesion"):
        assert (
            hashlib.sha256(getattr(first, field)).digest() == hashlib.sha256(getattr(again, field)).digest()
        )
    assert (first.hu != other.hu).mean() > 0.3


def test_every_shape_shows_the_same_anatomy():
    coarse = make_phantom("abdomen", (32, 32, 24), seed=5)
    fine = make_phantom("abdomen", (64, 64, 48), seed=5)
    same = coarse.anatomy == fine.anatomy[::2, ::2, ::2]
    assert same.mean() > 0.85
    blocks = fine.hu.reshape(32, 2, 32, 2, 24, 2).mean(axis=(1, 3, 5))
    assert np.corrcoef(blocks.ravel(), coarse.hu.ravel())[0, 1] > 0.98


@pytest.mark.parametrize(
    ("options", "value"),
    [
        ({"region": "leg"}, "'leg'"),
        ({"region": "unknown"}, "'unknown'"),
        ({"region": "chest", "shape": (4, 64, 64)}, r"\(4, 64, 64\)"),
        ({"region": "chest", "spacing": (1, 0, 1)}, r"\(1, 0, 1\)"),
        ({"region": "chest", "lesions": -1}, "-1"),
    ],
)
def test_mistakes_are_named(options, value):
    with pytest.raises(InputError, match=value):
        make_phantom(**options)


@pytest.mark.parametrize(
    ("solid", "inside", "outside"),
    [
        (Ellipsoid((0, 0, 0), (3, 4, 5)), (0, 3.9, 0), (3.1, 0, 0)),
        (Ellipsoid((0, 0, 0), (1, 5, 1), turn=(0, 0, 90)), (4.9, 0, 0), (0, 1.1, 0)),
        (Column([(-2, 0, 0, 2, 2), (2, 0, 0, 4, 4)]), (2.9, 0, 0), (0, 0, 2.1)),
        (Tube([(0, 0, 0), (10, 0, 0)], [1, 2]), (10, 1.9, 0), (0, 1.1, 0)),
        (Ellipsoid((0, 0, 0), (3, 3, 3)) & HalfSpace((1, 0, 0), (1, 0, 0)), (0.9, 0, 0), (1.1, 0, 0)),
        (~Ellipsoid((0, 0, 0), (3, 3, 3)), (3.1, 0, 0), (0, 0, 2.9)),
        (Ellipsoid((0, 0, 0), (3, 3, 3)).inset(1), (1.9, 0, 0), (2.1, 0, 0)),
    ],
)
def test_shapes_have_signed_distances(solid, inside, outside):
    def distance(point):
        return solid.distance(*np.ix_(*(np.array([c], np.float32) for c in point))).item()

    assert distance(inside) == pytest.approx(-0.1, abs=0.06)
    assert distance(outside) == pytest.approx(0.1, abs=0.06)


def test_noise_is_a_function_of_position():
    def sample(count):
        axes = [(np.arange(n) - (n - 1) / 2) * 60 / n for n in (count, count, count)]
        return smooth_noise(np.random.default_rng(0), axes, (60, 60, 60), pitch=10)

    coarse, fine = sample(15), sample(45)
    np.testing.assert_allclose(coarse, fine[1::3, 1::3, 1::3], atol=0.25)
    assert 0.7 < fine.std() < 1.3


@pytest.mark.parametrize("region", EXPECTED)
def test_without_contrast_only_what_was_enhanced_changes(phantoms, region):
    plain, enhanced = make_phantom(region, SHAPE, SPACING, 3, lesions=2, contrast=False), phantoms[region]
    np.testing.assert_array_equal(plain.anatomy, enhanced.anatomy)
    if region == "head_neck":  # painted without contrast agent
        np.testing.assert_array_equal(plain.hu, enhanced.hu)
    for name, hu in {"liver": 57, "spleen": 48, "kidney_left": 32, "aorta": 42, "heart": 42}.items():
        organ = plain.anatomy == label_id(name)
        if organ.sum() > 20:
            assert np.median(plain.hu[organ]) == pytest.approx(hu, abs=14), name
    bone = COARSE_OF[plain.anatomy] == label_id("bone")
    assert np.median(plain.hu[bone]) == pytest.approx(np.median(enhanced.hu[bone]), abs=5)
