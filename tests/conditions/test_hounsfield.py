"""HU are told from other numbers by shares of voxels."""

import numpy as np
import pytest
from scipy import ndimage

from meddiff_core.conditions.hounsfield import why_not_hu

_RNG = np.random.default_rng(0)
SHAPE = (48, 48, 24)


def scan() -> np.ndarray:
    """float32 HU: a trunk of soft tissue in air, with fat, lungs, a spine, noise and soft edges."""
    x, y, _ = np.indices(SHAPE) - np.array([23.5, 23.5, 0]).reshape(3, 1, 1, 1)
    hu = np.full(SHAPE, -1000.0)
    for value, centre, radius in (
        *((-100, (0, 0), 20), (50, (0, 0), 17)),
        *((-850, (-9, 2), 6), (-850, (9, 2), 6), (700, (0, -11), 3)),
    ):
        hu[np.hypot(x - centre[0], y - centre[1]) < radius] = value
    hu = ndimage.gaussian_filter(hu, (0.7, 0.7, 0)) + _RNG.normal(0, 15, SHAPE)
    return hu.astype(np.float32)


HU = scan()
TISSUE = HU[18:30, 26:38]
"""A crop of soft tissue alone."""
SPINE = HU[15:33, 8:17]
"""A crop of bone and soft tissue."""
BRAIN = np.where(np.indices(SHAPE)[0] < 5, _RNG.uniform(300, 1700, SHAPE), 30) + _RNG.normal(0, 8, SHAPE)
"""A crop of brain and skull: bone, and nothing below water."""


def noise(hu: float) -> np.ndarray:
    return _RNG.normal(0, hu, SHAPE)


IN_HU = {
    "a scan": HU,
    "soft tissue": TISSUE,
    "bone and soft tissue": SPINE,
    "brain and skull": BRAIN,
    "contrast medium": 350 + noise(20),
    "fat": -100 + noise(10),
    "lung": -850 + noise(40),
    "low dose": HU + noise(150),
    "much noise": HU + noise(400),
    "clipped to an abdomen window": np.clip(HU, -160, 240),
    "clipped at air": np.clip(HU, -1000, 400),
    "padding of -3024": np.where(HU < -900, -3024, HU),
    "padding of -32768": np.where(HU < -900, -32768, HU),
    "metal": np.where(HU > 650, 30710, HU),
    "resampled": ndimage.zoom(HU, 0.5, order=3),
    "air and water": np.where(HU > -400, 0, -1000) + 0.0,
}


@pytest.mark.parametrize("case", IN_HU)
def test_hu(case):
    assert why_not_hu(IN_HU[case].astype(np.float32), "The scan") is None


OFFSET = "rescale slope and intercept"
NOT_HU = {
    "stored pixels": (HU + 1024, OFFSET),
    "stored pixels, some negative": (HU + 1024 + noise(40), OFFSET),
    "stored pixels, not below 0": (np.clip(HU + 1024, 0, None), OFFSET),
    "stored pixels, offset 1000": (HU + 1000, OFFSET),
    "stored pixels, padding of -2000": (np.where(HU < -900, -2000, HU + 1024), OFFSET),
    "stored pixels, padding of -1024": (np.where(HU < -900, -1024, HU + 1024), OFFSET),
    "stored pixels of soft tissue": (TISSUE + 1024, OFFSET),
    "offset of 8192": (HU + 8192, "reach from"),
    "[0, 1]": ((HU + 1000) / 3000, "only"),
    "[-1, 1]": (np.clip(HU / 1000, -1, 1), "only"),
    "mean 0, deviation 1": ((HU - HU.mean()) / HU.std(), "only"),
    "constant": (np.full(SHAPE, 40.0), "between 40 and 40 only"),
    "padding alone": (np.full(SHAPE, -3024.0), "nothing in it"),
    "a thousandth of HU": (HU * 1000, "reach from"),
    "soft tissue, a thousandth of HU": (TISSUE * 1000, "reach from"),
    "lost sign": (HU.astype(np.int16).view(np.uint16), "reach from"),
    "0 to 255": (np.clip((HU + 160) / 400 * 255, 0, 255).round(), OFFSET),
    "cut off at 0": (np.clip(HU, 0, None), "no air"),
    "a mask": (255.0 * (HU > -400), "no air"),
    "a label map": (np.digitize(HU, (-900, -500, -50, 300)) * 29, "no air"),
    "MR": (np.where(HU > -400, np.clip(300 + HU, 20, None), 0) + np.abs(noise(6)), "no air"),
}


@pytest.mark.parametrize("case", NOT_HU)
def test_other_numbers(case):
    numbers, words = NOT_HU[case]
    sentence = why_not_hu(numbers.astype(np.float32), "The scan")
    assert sentence.startswith("The scan is not ") and words in sentence


def test_no_voxel_decides():
    hu, stored = HU.copy(), HU + 1024
    hu[0, 0, 0], stored[0, 0, 0] = 1e6, -1e6
    assert why_not_hu(hu, "The scan") is None
    assert why_not_hu(stored, "The scan") is not None
