"""The same scan in other clothes gives the same result, on the scan's own grid."""

from __future__ import annotations

from functools import cache

import nibabel as nib
import numpy as np
import pytest
from hard_input import NAMES, OF_MAPS, in_ras, plain_affine, run, save, small_anatomy, small_hu, small_lesion


def rotation(degrees: float) -> np.ndarray:
    """About two axes."""
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def reoriented(codes: str):
    """Stored in another order and direction of axes."""

    def change(array, affine):
        image = nib.Nifti1Image(array, affine)
        start, end = nib.io_orientation(affine), nib.orientations.axcodes2ornt(codes)
        image = image.as_reoriented(nib.orientations.ornt_transform(start, end))
        return np.asarray(image.dataobj), image.affine

    return change


def turned(degrees: float):
    """A tilted table."""

    def change(array, affine):
        oblique = affine.copy()
        oblique[:3, :3] = rotation(degrees) @ affine[:3, :3]
        return array, oblique

    return change


def sheared(array, affine):
    """A tilted gantry: slices shift along y."""
    tilted = affine.copy()
    tilted[1, 2] = 0.3 * affine[2, 2]
    return array, tilted


GEOMETRIES = {
    "LPS": reoriented("LPS"),
    "RAI": reoriented("RAI"),
    "left-handed": reoriented("LAS"),
    "coronal": reoriented("LSA"),
    "sagittal": reoriented("PSR"),
    "turned by 17 degrees": turned(17),
    "turned by 40 degrees": turned(40),
    "gantry tilt": sheared,
}


CLOSE = {"gantry tilt": 3.0}
"""Mean difference in HU where the voxels' size differs a little, too."""
ROUNDING = {"ct_lesion_generation": 1.0}
"""By bundle, else 0.05: which of two labels is nearer to a lesion may hang on the last digit of the voxels'
size, and sampling carries that on."""


def run_on(name, folder, change=None):
    """The bundle on the small scan, and its lesions where it takes a mask, both stored in another way."""
    arrays = {"scan": small_anatomy() if name in OF_MAPS else small_hu(), "lesion": small_lesion()}
    paths = {}
    for key, array in arrays.items():
        array, affine = change(array, plain_affine()) if change else (array, plain_affine())
        paths[key] = save(folder / f"{key}.nii.gz", array, affine)
    options = {"lesion": str(paths["lesion"])} if "lesion" in name else {}
    return nib.load(paths["scan"]), run(name, paths["scan"], folder / "out", **options)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """plain(bundle) -> arrays of the scan that needs nothing."""

    @cache
    def of(name):
        return [in_ras(result) for result in run_on(name, tmp_path_factory.mktemp(name))[1]]

    return of


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_orientation(name, geometry, plain, tmp_path):
    source, found = run_on(name, tmp_path, GEOMETRIES[geometry])
    for result, expected in zip(found, plain(name), strict=True):
        if name == "ct_super_resolution":
            assert nib.aff2axcodes(result.affine) == nib.aff2axcodes(source.affine)
            np.testing.assert_allclose(edges(result), edges(source), atol=1e-3)
        else:
            assert result.shape == source.shape
            np.testing.assert_allclose(result.affine, source.affine, atol=1e-4)
        if name != "ct_super_resolution" or geometry not in CLOSE:
            difference = np.abs(in_ras(result).astype(float) - expected)
            assert difference.mean() <= CLOSE.get(geometry, ROUNDING.get(name, 0.05))


def edges(image):
    """World positions of the volume's two opposite outer corners."""
    corners = np.array([[-0.5] * 3, np.array(image.shape) - 0.5])
    return nib.affines.apply_affine(image.affine, corners)
