"""What is said before a run is what the run takes."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from grouped_options import grouped, windowed

from meddiff_core.diffusion.schedule import NoiseSchedule
from meddiff_core.inferers.anomaly import AnomalyInferer
from meddiff_core.inferers.cost import Cost
from meddiff_core.inferers.denoising import DenoisingInferer
from meddiff_core.inferers.inpainting import InpaintingInferer
from meddiff_core.inferers.known_part import KnownPart
from meddiff_core.inferers.synthesis import SynthesisInferer

SCHEDULE = NoiseSchedule()
SHAPE = (88, 72, 40)


class Counter:
    """A network that counts the windows and voxels that it gets."""

    divisor = 8

    def __init__(self) -> None:
        self.windows = self.voxels = 0

    def __call__(self, x, timesteps, class_labels):
        self.windows += len(x)
        self.voxels += x[:, 0].numel()
        return torch.zeros_like(x[:, :1])


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("guidance", [1.0, 1.5])
@pytest.mark.parametrize("moving", [0, 3, 4])
@pytest.mark.parametrize("air", [False, True])
def test_the_cost_is_what_the_network_gets(batch, guidance, moving, air):
    content = np.zeros((11, 9, 5), dtype=bool)
    content[1:4, 2:8] = content[9, 8] = True
    known = KnownPart(content, torch.tensor(-1.0), SCHEDULE) if air else None
    network = Counter()
    denoiser = windowed(
        network,
        SHAPE,
        window_size=32,
        window_batch=batch,
        guidance_scale=guidance,
        known=known,
        moving=moving,
    )
    cost = Cost.of(denoiser, 4)
    for t in (900, 600, 300, 100):
        denoiser(torch.zeros(1, 1, *SHAPE), t)
    assert (cost.forwards, cost.voxels) == (network.windows, network.voxels)
    assert f"{cost.forwards} network call(s)" in str(cost)


def test_guidance_doubles_the_cost():
    one, two = (
        Cost.of(windowed(Counter(), SHAPE, window_size=32, guidance_scale=scale), 5) for scale in (1.0, 2.0)
    )
    assert (two.forwards, two.voxels) == (2 * one.forwards, 2 * one.voxels)


def scan() -> torch.Tensor:
    """Image, anatomy and a mask, `(1, 3, X, Y, Z)`: a block of tissue in air."""
    x = torch.zeros(1, 3, *SHAPE)
    x[:, 0] = -1
    block = (slice(None), slice(None), slice(24, 64), slice(16, 56))
    x[block] = torch.tensor([0.1, 118.0, 0.0]).reshape(3, 1, 1, 1)
    x[:, 2, 40:44, 30:34, 20:24] = 1
    return x


INFERERS = {
    "denoising": (DenoisingInferer, {"steps": 4, "noise_level": 30}, 1),
    "synthesis": (SynthesisInferer, {"steps": 3}, 3),
    "plain synthesis": (SynthesisInferer, {"steps": 3, "coarse_to_fine": False}, 3),
    "anomaly": (AnomalyInferer, {"samples": 3}, 3),
    "inpainting": (InpaintingInferer, {"steps": 3, "jump_length": 1, "jump_rounds": 2}, 3),
}


@pytest.mark.parametrize("name", INFERERS)
def test_a_dry_run_counts_what_a_run_takes(name, caplog):
    kind, options, channels = INFERERS[name]
    options = {"region": "abdomen", "window_size": 32, "precision": "float32"} | options
    inputs = scan()[:, :channels]
    if kind is SynthesisInferer:
        inputs = scan()[:, 1:2]
    network, dry = Counter(), Counter()
    kind(SCHEDULE, **grouped(**options))(inputs, network)
    with caplog.at_level(logging.INFO, logger="meddiff"):
        inferer = kind(SCHEDULE, **grouped(dry_run=True, **options))
        result = inferer(inputs, dry)
    assert inferer.dry_run.forwards == network.windows
    assert dry.windows < network.windows
    assert not inferer.gives_result
    assert result.shape == (1, 1, *SHAPE)
    assert f"So far {network.windows} network call(s), about 0:00:" in caplog.text
