"""Anatomy in what was removed is found, noise is not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from meddiff_core.phantoms import make_phantom
from meddiff_core.physics.low_dose import correlated_noise, white_noise
from meddiff_core.physics.removed_part import RemovedStructure


@pytest.fixture(scope="module")
def clean():
    return np.asarray(make_phantom("chest", (96, 96, 40), (3.0, 3.0, 6.0)).hu, np.float32)


def share(scan, denoised):
    """The share of regions that hold structure."""
    return RemovedStructure.of(torch.from_numpy(scan), torch.from_numpy(denoised)).share


@pytest.mark.parametrize("kind", ["white", "correlated"])
def test_noise_alone_is_no_structure(clean, kind):
    spacing = (1.0, 1.0, 1.0)
    noisy = white_noise(clean, 30, 0) if kind == "white" else correlated_noise(clean, 30, spacing, 0)
    assert share(noisy, clean) < 0.1


@pytest.mark.parametrize("sigma", [0.5, 1.0])
def test_a_blur_removes_structure(clean, sigma):
    noisy = white_noise(clean, 30, 0)
    assert share(noisy, ndimage.gaussian_filter(noisy, sigma)) > 0.4


def test_the_mask_lies_where_the_structure_was(clean):
    denoised = clean.copy()
    denoised[48:] = ndimage.gaussian_filter(clean, 1)[48:]
    noise = np.random.default_rng(0).normal(0, 5, clean.shape).astype(np.float32)
    found = RemovedStructure.of(torch.from_numpy(clean + noise), torch.from_numpy(denoised))
    mask = found.mask(clean.shape)
    assert mask.shape == clean.shape
    assert mask.dtype == torch.uint8
    assert mask[48:].sum() > 10 * mask[:48].sum()
    assert mask[:16].sum() + mask[-16:].sum() < mask.sum()


@pytest.mark.parametrize("hu", [-1000.0, 40.0])
def test_nothing_in_nothing(hu):
    flat = np.full((20, 5, 16), hu, np.float32)
    assert share(flat, flat) == 0
