"""The ways to make a lesion that ours is compared with, without a network.

Each puts HU into the mask of a case and leaves all else as it is. What they know of lesions comes from
donors: scans of other patients.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from benchmarks.scans import Scan
from scipy import ndimage
from scipy.spatial import cKDTree

from meddiff_core.conditions.feather import feathered

_SHELL_MM = 5.0


def copy_and_blend(case: Scan, donor: Scan, feather: float, match: bool) -> np.ndarray:
    """A donor's lesion, warped into the mask and blended (as in TumorCP, Yang et al. 2021, at a given place).

    A voxel takes its HU from the donor's voxel in the same direction from the lesion's inmost point and at
    the same share of the way to the border.

    Args:
        case: where to.
        donor: whose lesion.
        feather: mm within the border over which it goes over into the surroundings.
        match: shift its HU by what the surroundings differ, which keeps the contrast of the donor.
    """
    values = _warped(case, donor)
    if match:
        values = values + _surroundings(case) - _surroundings(donor)
    return _blended(case, values, feather)


def texture(case: Scan, donors: Sequence[Scan], grain: float, feather: float, seed: int) -> np.ndarray:
    """Hand-made lesion: the donors' mean HU and filtered Gaussian noise of their standard deviation.

    As Hu et al. ("Label-free liver tumor segmentation", 2023) and the hand-made stage before DiffTumor.

    Args:
        case: where to.
        donors: their lesions tell mean and standard deviation.
        grain: standard deviation in mm of the filter over the noise.
        feather: as in `copy_and_blend`.
        seed: of the noise.
    """
    lesions = [
        np.clip(donor.hu[donor.lesion], case.hu_window.lower, case.hu_window.upper) for donor in donors
    ]
    mean, deviation = (np.mean([measure(values) for values in lesions]) for measure in (np.mean, np.std))
    noise = np.random.default_rng(seed).standard_normal(case.hu.shape).astype(np.float32)
    noise = ndimage.gaussian_filter(noise, [grain / step for step in case.spacing])[case.lesion]
    return _blended(case, mean + deviation * noise / noise.std(), feather)


@cache
def _warped(case: Scan, donor: Scan) -> np.ndarray:
    """HU of the donor's lesion for the voxels of the case's, `(N,)`."""
    nearest = cKDTree(_in_ball(donor)).query(_in_ball(case))[1]
    return donor.hu[donor.lesion][nearest]


def _in_ball(case: Scan) -> np.ndarray:
    """Places of the lesion's voxels in a unit ball `(N, 3)`: the border at 1, the inmost voxel at 0."""
    depth = ndimage.distance_transform_edt(case.lesion, case.spacing)[case.lesion]
    places = np.argwhere(case.lesion) * case.spacing
    offset = places - places[depth.argmax()]
    distance = np.linalg.norm(offset, axis=1, keepdims=True)
    radius = 1 - depth / depth.max()
    return radius[:, None] * np.divide(offset, distance, out=np.zeros_like(offset), where=distance > 0)


@cache
def _surroundings(case: Scan) -> float:
    """Median HU of the shell around the lesion."""
    distance = ndimage.distance_transform_edt(~case.lesion, case.spacing)
    return float(np.median(case.hu[(distance > 0) & (distance <= _SHELL_MM)]))


def _blended(case: Scan, values: np.ndarray, feather: float) -> np.ndarray:
    weight = feathered(case.lesion, case.spacing, feather)[case.lesion]
    result = case.without_lesion.astype(np.float32)
    result[case.lesion] += weight * (values - result[case.lesion])
    result[~case.lesion] = case.hu[~case.lesion]
    return result
