"""Low-dose CT to CT with the foundation as it is (MedDiff-FM, eq. 9-11; DiffPIR)."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

import torch
from monai.data import MetaTensor

from meddiff_core.conditions.body import body_mask
from meddiff_core.diffusion.data_terms import DenoisingDataTerm
from meddiff_core.diffusion.ddim import DDIM
from meddiff_core.diffusion.schedule import NoiseSchedule
from meddiff_core.diffusion.timesteps import timestep_list
from meddiff_core.errors import check_count, check_number
from meddiff_core.inferers.few_slices import mirrored
from meddiff_core.inferers.volume import Volume
from meddiff_core.inferers.volume_inferer import VolumeInferer
from meddiff_core.inferers.windowed import Network
from meddiff_core.physics.noise_level import central_slab, estimate_noise_level

logger = logging.getLogger("meddiff")

CLIP_SIGMAS = 3.0
"""Noisy input is clipped this many noise levels beyond [-1, 1]; clipping at [-1, 1] bends the noise."""


class DenoisingInferer(VolumeInferer):
    """Denoises a whole volume.

    The measurement is taken as `x_t` at the timestep whose noise equals its own, and sampled from there. One
    step gives the answer of least error; more steps draw one possible image, at some cost in PSNR.

    Args:
        schedule: noise schedule, which knows what the network predicts.
        noise_level: standard deviation of the noise in HU; `auto` estimates it.
        fidelity: lambda of the data step, 10 by default; a lower one keeps more of the measurement. With one
            step there is no data step.
        steps: network evaluations per window.
        options: region, windows and runtime, see `VolumeInferer`.

    Raises:
        InputError: for a noise level that is not positive or another option outside its range.
    """

    def __init__(
        self,
        schedule: NoiseSchedule,
        noise_level: float | str = "auto",
        fidelity: float = 10.0,
        steps: int = 1,
        **options: Any,
    ) -> None:
        super().__init__(schedule, **options)
        if noise_level != "auto":
            check_number("noise_level", noise_level, "auto, or a number of HU above 0", lambda v: v > 0)
        check_number("fidelity", fidelity, "a number of at least 0", lambda v: v >= 0)
        check_count("steps", steps)
        self.noise_level = noise_level
        self.fidelity = fidelity
        self.steps = int(steps)

    def __call__(self, inputs: torch.Tensor, network: Network, *args: Any, **kwargs: Any) -> MetaTensor:
        """Denoise.

        Args:
            inputs: `(1, C, X, Y, Z)`: image scaled to [-1, 1] by the region's window and not clipped, then
                optional condition channels, of which the first is the anatomy label.
            network: the denoiser, see `WindowedDenoiser`.

        Returns:
            `(1, 1, X, Y, Z)` in the scale of the inputs; its meta holds `region` and `noise_level` (HU).
        """
        x, y, z = inputs.shape[2:]
        volume = self.without_air(self.take_apart(mirrored(inputs)))
        noise_hu = self._noise_level(volume)
        result = self.whole_range(volume, partial(self._denoised, network, noise_hu), noise_hu)
        meta = volume.meta | {"region": volume.region, "noise_level": noise_hu}
        return MetaTensor(result[..., :x, :y, :z], meta=meta)

    def _denoised(self, network: Network, noise_hu: float, volume: Volume) -> torch.Tensor:
        """The clean image within the HU window of the volume's class, in [-1, 1]."""
        noise = noise_hu * 2.0 / volume.hu_window.width
        measurement = volume.image.clamp(-1 - CLIP_SIGMAS * noise, 1 + CLIP_SIGMAS * noise)
        timesteps = timestep_list(self.schedule, self.steps, self.schedule.nearest_timestep(noise))
        data_term = DenoisingDataTerm(self.schedule, measurement, noise, self.fidelity)
        start = self.schedule.alpha(timesteps[0]).sqrt() * measurement
        return self.sample(network, volume, start, timesteps, DDIM(self.schedule), data_term)

    def _noise_level(self, volume: Volume) -> float:
        if self.noise_level != "auto":
            return float(self.noise_level)
        hu = volume.hu_window.to_hu(central_slab(volume.image))[0, 0].cpu().numpy()
        # the schedule holds no less noise than its first timestep has
        smallest = float(self.schedule.sigma(0)) * volume.hu_window.width / 2
        noise_hu = max(estimate_noise_level(hu, body_mask(hu, volume.spacing)), smallest)
        logger.info("Noise level: %.0f HU, estimated.", noise_hu)
        return noise_hu
