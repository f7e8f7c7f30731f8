"""Low-dose CT to CT with the foundation as it is (MedDiff-FM, eq. 9-11; DiffPIR)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from monai.data import MetaTensor

from meddiff_core.diffusion.data_terms import DenoisingDataTerm
from meddiff_core.diffusion.ddim import DDIM
from meddiff_core.diffusion.schedule import NoiseSchedule
from meddiff_core.diffusion.timesteps import timestep_list
from meddiff_core.errors import check_count, check_number
from meddiff_core.inferers.few_slices import mirrored
from meddiff_core.inferers.volume import Volume
from meddiff_core.inferers.volume_inferer import VolumeInferer
from meddiff_core.inferers.windowed import Network
from meddiff_core.physics.noise_spectrum import NoiseSpectrum
from meddiff_core.physics.scan_noise import ScanNoise

logger = logging.getLogger("meddiff")

CLIP_SIGMAS = 3.0
"""Noisy input is clipped this many noise levels beyond [-1, 1]; clipping at [-1, 1] bends the noise."""


Adaptation = Callable[[Network, Volume, torch.Tensor, ScanNoise], tuple[Network, dict[str, float]]]
"""From a network, a noisy volume, what the network makes of it, and its noise, to the network for this volume
and what is to be recorded of it."""


class DenoisingInferer(VolumeInferer):
    """Denoises a whole volume.

    The measurement is taken as `x_t` at the timestep whose noise equals its own, and sampled from there. One
    step gives the answer of least error; more steps draw one possible image, at some cost in PSNR.

    Args:
        schedule: noise schedule, which knows what the network predicts.
        noise_level: standard deviation of the noise in HU; `auto` estimates it.
        spectrum: of the noise, which the network is told; default None estimates it. See `noise_spectrum`.
        fidelity: lambda of the data step, 10 by default; a lower one keeps more of the measurement. With one
            step there is no data step.
        steps: network evaluations per window.
        adaptation: trains the network on each volume before it is applied to it, see `DenoisingAdaptation`;
            default None applies it as it is.
        options: region, windows and runtime, see `VolumeInferer`.

    Raises:
        InputError: for a noise level that is not positive or another option outside its range; when called,
            for a spectrum of another voxel size.
    """

    def __init__(
        self,
        schedule: NoiseSchedule,
        noise_level: float | str = "auto",
        spectrum: NoiseSpectrum | None = None,
        fidelity: float = 10.0,
        steps: int = 1,
        adaptation: Adaptation | None = None,
        **options: Any,
    ) -> None:
        super().__init__(schedule, **options)
        if noise_level != "auto":
            check_number("noise_level", noise_level, "auto, or a number of HU above 0", lambda v: v > 0)
        check_number("fidelity", fidelity, "a number of at least 0", lambda v: v >= 0)
        check_count("steps", steps)
        self.noise_level = noise_level
        self.spectrum = spectrum
        self.fidelity = fidelity
        self.steps = int(steps)
        self.adaptation = adaptation

    def __call__(self, inputs: torch.Tensor, network: Network, *args: Any, **kwargs: Any) -> MetaTensor:
        """Denoise.

        Args:
            inputs: `(1, C, X, Y, Z)`: image scaled to [-1, 1] by the region's window and not clipped, then
                optional condition channels, of which the first is the anatomy label.
            network: the denoiser, see `WindowedDenoiser`.

        Returns:
            `(1, 1, X, Y, Z)` in the scale of the inputs; its meta holds `region` and `noise_level` (HU).
        """
        whole = self.take_apart(inputs)
        noise = self._noise(whole)  # of the scan's own slices: mirrored ones would be equal
        volume = replace(self.without_air(self.take_apart(mirrored(inputs))), noise_code=noise.code)
        result, facts = self._whole_scan(network, volume, noise, whole.image.shape), {}
        if self.adaptation is not None and self.dry_run is None:
            adapted, facts = self.adaptation(network, whole, result, noise)
            if adapted is not network:
                result = self._whole_scan(adapted, volume, noise, whole.image.shape)
        meta = volume.meta | {"region": volume.region, "noise_level": noise.level} | facts
        return MetaTensor(result, meta=meta)

    def _whole_scan(
        self, network: Network, volume: Volume, noise: ScanNoise, shape: Sequence[int]
    ) -> torch.Tensor:
        """The clean image within the first `shape` voxels, beyond [-1, 1] outside the HU window."""
        result = self.whole_range(volume, partial(self._denoised, network, noise), noise.level)
        return result[tuple(slice(n) for n in shape)]

    def _denoised(self, network: Network, noise: ScanNoise, volume: Volume) -> torch.Tensor:
        """The clean image within the HU window of the volume's class, in [-1, 1]."""
        level = noise.level * 2.0 / volume.hu_window.width
        measurement = clipped(volume.image, level)
        timesteps = timestep_list(self.schedule, self.steps, self.schedule.nearest_timestep(level))
        data_term = DenoisingDataTerm(self.schedule, measurement, level, self.fidelity)
        start = self.schedule.alpha(timesteps[0]).sqrt() * measurement
        return self.sample(network, volume, start, timesteps, DDIM(self.schedule), data_term)

    def _noise(self, volume: Volume) -> ScanNoise:
        """The noise as it was given; what was not is estimated, and said."""
        given = self.spectrum
        if given is not None:
            given.check_spacing(volume.spacing)
        if self.noise_level != "auto" and given is not None:
            return ScanNoise(float(self.noise_level), given)
        hu = volume.hu_window.to_hu(volume.image[0, 0]).cpu().numpy()
        found = ScanNoise.estimate(hu) or ScanNoise(0.0)
        if self.noise_level == "auto":
            # the schedule holds no less noise than its first timestep has
            level = max(found.level, float(self.schedule.sigma(0)) * volume.hu_window.width / 2)
            logger.info("Noise level: %.0f HU, estimated.", level)
        else:
            level = float(self.noise_level)
        noise = ScanNoise(level, given or found.spectrum)
        if given is None:
            found_how = "taken as white: too few slices or flat tissue to measure it"
            logger.info(
                "Noise spectrum: %s.", found_how if noise.spectrum.is_white else f"{noise.kind}, estimated"
            )
        return noise


def clipped(image: torch.Tensor, level: torch.Tensor | float) -> torch.Tensor:
    """A noisy image in [-1, 1] without what lies far outside, where the network has seen nothing.

    Args:
        image: any shape.
        level: standard deviation of its noise in the same scale.
    """
    return image.clamp(-1 - CLIP_SIGMAS * level, 1 + CLIP_SIGMAS * level)
