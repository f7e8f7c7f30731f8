import numpy as np
import pytest

from meddiff_core.reports.planes import Planes, body_centre, middle


@pytest.fixture
def body():
    """A trunk of water `(40, 30, 20)` off the middle, bright on its right, front and top (RAS axes)."""
    hu = np.full((40, 30, 20), -1000.0, np.float32)
    hu[4:32, 4:28] = 0.0
    hu[24:32] += 50
    hu[:, 20:28] += 20
    hu[:, :, 14:] += 5
    return hu


def test_planes_go_through_the_body(body):
    assert body_centre(body, (3.0, 3.0, 3.0)) == (17, 15, 9)
    fine = body.repeat(3, axis=0)
    assert abs(body_centre(fine, (1.0, 3.0, 3.0))[0] - 53) <= 2
    assert body_centre(np.full_like(body, -1000), (3.0, 3.0, 3.0)) == (20, 15, 10)
    assert middle(body > -500) == (17, 15, 9)


def test_planes_are_shown_as_radiologists_expect(body):
    axial, coronal, sagittal = Planes(body.shape, (1.0, 1.0, 1.0), (15, 15, 15)).cut(body)
    assert axial.shape == (30, 40) and coronal.shape == (20, 40) and sagittal.shape == (20, 30)
    assert axial[15, 10] > axial[15, 30]  # the patient's right is on the left
    assert axial[5, 20] > axial[20, 20]  # the front is up
    assert coronal[0, 20] > coronal[19, 20]  # the head is up
    assert sagittal[10, 5] > sagittal[10, 20]  # the front is on the left


def test_planes_have_the_patients_proportions():
    planes = Planes((40, 30, 20), (1.0, 2.0, 6.0), (1, 2, 3))
    assert planes.pixel_aspects == [2.0, 6.0, 3.0]
    assert planes.aspects == [60 / 40, 120 / 40, 120 / 60]
    assert planes.labels == ["axial 3", "coronal 2", "sagittal 1"]
