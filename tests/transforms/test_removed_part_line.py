"""The line and the number about what denoising removed."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from scipy import ndimage

from meddiff_core.phantoms import make_phantom
from meddiff_core.physics.low_dose import white_noise
from meddiff_core.transforms.removed_part import RemovedPartd


@pytest.mark.parametrize("blurred", [True, False])
def test_a_blur_gets_a_line(caplog, blurred):
    clean = np.asarray(make_phantom("chest", (64, 64, 32), (4.0, 4.0, 8.0)).hu, np.float32)
    noisy = white_noise(clean, 20, 0)
    denoised = ndimage.gaussian_filter(noisy, 0.8) if blurred else clean
    data = {"original": MetaTensor(noisy[None]), "pred": MetaTensor(denoised[None])}
    with caplog.at_level(logging.WARNING, logger="meddiff"):
        result = RemovedPartd("pred")(data)
    share = result["pred"].meta["removed_structure"]
    assert (share > 0.3) == blurred == ("Anatomy may have gone" in caplog.text)
    assert result["removed_structure"].shape == (1, 64, 64, 32)
    assert bool(torch.any(result["removed_structure"] == 1)) == (share > 0)
