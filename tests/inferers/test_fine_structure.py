"""Vessels and noise of a generated CT."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from grouped_options import grouped
from monai.data import MetaTensor
from scipy import ndimage

from meddiff_core.conditions.vocabulary import label_id
from meddiff_core.diffusion.schedule import NoiseSchedule
from meddiff_core.errors import InputError
from meddiff_core.inferers.fine_structure import FineStructure, VesselTerm
from meddiff_core.inferers.synthesis import SynthesisInferer

LUNG = label_id("lung")


def lung_or_blood(x, timesteps, class_labels):
    """Predicts v as the exact denoiser of voxels from N(-0.5, 0.5^2), which keeps what is above the noise."""
    a = NoiseSchedule().alpha(timesteps, x)
    x_t = x[:, :1]
    x0 = -0.5 + a.sqrt() * 0.25 / (a * 0.25 + 1 - a) * (x_t + 0.5 * a.sqrt())
    return (a.sqrt() * x_t - x0) / (1 - a).sqrt()


def synthesized(fine_structure, seed=0):
    labels = torch.full((1, 1, 40, 32, 24), float(label_id("body")))
    labels[:, :, 6:34, 6:26, 2:22] = LUNG
    inputs = MetaTensor(labels, affine=torch.diag(torch.tensor([3.0, 3, 3, 1])), meta={"region": "chest"})
    inferer = SynthesisInferer(NoiseSchedule(), fine_structure=fine_structure, **grouped(steps=4, seed=seed))
    inferer.image_size = 20
    return inferer(inputs, lung_or_blood)[0, 0].numpy(), labels[0, 0].numpy()


def test_the_lungs_get_vessels_as_bright_as_blood_and_nothing_else_changes():
    smooth, labels = synthesized(FineStructure())
    made, _ = synthesized(FineStructure(lung_vessels=True))
    inner = ndimage.binary_erosion(labels == LUNG, iterations=2)
    assert (made[inner] > -300).mean() > (smooth[inner] > -300).mean() + 0.005
    far = ~ndimage.binary_dilation(labels == LUNG, iterations=4)  # beside the lungs, enlarging spreads them
    assert np.allclose(made[far], smooth[far], atol=1)


def test_the_term_changes_nothing_when_it_is_applied_again():
    share = torch.rand(1, 1, 6, 6, 6)
    term = VesselTerm(share, 0.6, -0.4)
    once = term(torch.full_like(share, -0.5), 5)
    assert torch.equal(term(once, 4), once)
    assert torch.allclose(once, torch.clamp(-0.4 + share, min=-0.5))
    assert term(torch.zeros(1, 1, 3, 3, 3), 5).shape == (1, 1, 3, 3, 3)  # of the image level


@pytest.mark.parametrize(
    ("level", "voxel", "expected"), [(20, 1.0, 20), ("auto", 1.0, 14), ("auto", 4.0, 3.5)]
)
def test_noise_has_its_level(level, voxel, expected):
    volume = type("Volume", (), {"region": "chest", "spacing": (voxel,) * 3})
    hu = FineStructure(noise_level=level).add_noise(
        torch.zeros(1, 1, 48, 48, 24), volume, torch.Generator().manual_seed(0)
    )
    assert float(hu.std()) == pytest.approx(expected, rel=0.05)


def test_no_noise_leaves_the_result():
    hu = torch.zeros(1, 1, 4, 4, 4)
    assert FineStructure(noise_level=0).add_noise(hu, None, torch.Generator()) is hu


@pytest.mark.parametrize(
    "options", [{"noise_level": -1}, {"noise_level": "loud"}, {"lung_vessels": "perhaps"}]
)
def test_bad_options_are_named(options):
    with pytest.raises(InputError, match=next(iter(options))):
        FineStructure(**options)
