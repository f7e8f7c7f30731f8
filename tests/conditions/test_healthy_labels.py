import numpy as np
import pytest

from meddiff_core.conditions.healthy_labels import healthy_labels

MM = (1.0, 1.0, 1.0)


@pytest.fixture
def labels():
    """Two organs side by side, 1 and 2; 9 is a lesion across their border."""
    labels = np.ones((30, 20, 16), np.int16)
    labels[15:] = 2
    labels[12:18, 8:12, 6:10] = 9
    return labels


def test_a_lesion_takes_the_labels_around_it(labels):
    result = healthy_labels(labels, labels == 9, 0, MM)
    assert (result[:15] == 1).all() and (result[15:] == 2).all()
    assert result.dtype == labels.dtype and (labels == 9).any()


def test_margin(labels):
    lesion = np.zeros(labels.shape, bool)
    lesion[13:17, 9:11, 7:9] = True  # drawn a voxel too small
    assert (healthy_labels(labels, lesion, 0, MM) == 9).any()
    assert not (healthy_labels(labels, lesion, 2, MM) == 9).any()
    assert (healthy_labels(labels, lesion, 2, (1, 1, 5)) == 9).any()


def test_nearest_in_millimetres():
    labels = np.full((9, 9, 9), 1, np.uint8)
    lesion = np.zeros(labels.shape, bool)
    lesion[3:6, :, 3:6] = True  # reaches the border along y
    labels[lesion] = 9
    labels[:, :, 6:] = 2
    wide = healthy_labels(labels, lesion, 0, (1, 1, 9))
    flat = healthy_labels(labels, lesion, 0, (9, 1, 1))
    assert (wide[lesion] == 1).all()
    assert (flat[3:6, :, 5] == 2).all()


def test_lesions_that_grow_together_take_nothing_from_each_other(labels):
    labels[labels == 9] = 1
    lesion = np.zeros(labels.shape, bool)
    lesion[3:6, 5:8, 5:8] = lesion[9:12, 5:8, 5:8] = True
    labels[3:12, 5:8, 5:8] = 9
    assert not (healthy_labels(labels, lesion, 2, MM) == 9).any()


def test_far_from_lesions_nothing_changes(labels):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 100, labels.shape)
    lesion = np.zeros(labels.shape, bool)
    lesion[0, 0, 0] = lesion[20:22, 10, 10] = True
    changed = healthy_labels(labels, lesion, 1, MM) != labels
    assert changed.any() and not changed[3:18].any() and not changed[24:].any()
    assert np.array_equal(healthy_labels(labels, lesion & False, 2, MM), labels)
    assert np.array_equal(healthy_labels(labels, lesion | True, 2, MM), labels)
