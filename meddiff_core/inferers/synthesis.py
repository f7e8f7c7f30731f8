"""Anatomy map to CT with the foundation as it is, coarse to fine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from monai.data import MetaTensor
from torch.nn import functional as F

from meddiff_core.conditions.regions import WIDEST, WIDEST_WINDOW
from meddiff_core.conditions.window_edge import join_at_window_edge
from meddiff_core.diffusion.ddim import DDIM
from meddiff_core.diffusion.dpm_solver import DPMSolver2M
from meddiff_core.diffusion.noise import noise_like
from meddiff_core.diffusion.sample import Solver
from meddiff_core.diffusion.schedule import NoiseSchedule
from meddiff_core.diffusion.timesteps import timestep_list
from meddiff_core.errors import check_choice, check_count, check_flag, check_number
from meddiff_core.inferers.known_part import AIR_HU, KnownPart, content_of_map
from meddiff_core.inferers.volume import Volume
from meddiff_core.inferers.volume_inferer import VolumeInferer
from meddiff_core.inferers.windowed import Network

SOLVERS = ("ddpm", "dpm_solver")


class SynthesisInferer(VolumeInferer):
    """Makes a CT on the grid of an anatomy map (MedDiff-FM, section "CT synthesis").

    The whole volume is sampled once at image level, then enlarged, noised to `refine_from` and sampled again
    at patch level, which sees every voxel. That is done in the widest window; a region with a narrower one
    is refined once more in its own, and keeps the wide result where that lies outside.

    Args:
        schedule: noise schedule, which knows what the network predicts.
        steps: network evaluations per window and stage.
        guidance_scale: 1 follows the conditions as trained at half the cost, more follows them closer
            (classifier-free guidance): bone and lung sharper, soft tissue darker.
        seed: seed of the noise; the input's meta may add to it by `sample`, for several volumes of one map.
        coarse_to_fine: False samples at patch level alone, from pure noise: the plain recipe.
        use_anatomy: False leaves the map out; only its grid is used.
        image_size: voxels per axis at image level; a shorter axis stays as it is.
        refine_from: timestep from which a stage is refined. The coarse shape outlasts 800; from 350 the blur
            of the image level would outlast it, too.
        solver: `ddpm` (ancestral: fresh noise in each step takes back what earlier steps got wrong) or
            `dpm_solver` (DPM-Solver++, deterministic after the start).
        options: region, windows and runtime, see `VolumeInferer`.

    Raises:
        InputError: for an option outside its range.
    """

    def __init__(
        self,
        schedule: NoiseSchedule,
        steps: int = 15,
        guidance_scale: float = 1.25,
        seed: int = 0,
        coarse_to_fine: bool = True,
        use_anatomy: bool = True,
        image_size: int = 64,
        refine_from: int = 800,
        solver: str = "ddpm",
        **options: Any,
    ) -> None:
        super().__init__(schedule, **options)
        check_count("steps", steps)
        check_number("guidance_scale", guidance_scale, "a number of at least 0", lambda v: v >= 0)
        check_count("image_size", image_size, 8)
        check_count("refine_from", refine_from, 0, schedule.num_train_timesteps - 1)
        check_choice("solver", solver, SOLVERS)
        self.steps = int(steps)
        self.guidance_scale = guidance_scale
        self.seed = seed
        self.coarse_to_fine = check_flag("coarse_to_fine", coarse_to_fine)
        self.use_anatomy = check_flag("use_anatomy", use_anatomy)
        self.image_size = int(image_size)
        self.refine_from = int(refine_from)
        self.solver = solver

    def __call__(self, inputs: torch.Tensor, network: Network, *args: Any, **kwargs: Any) -> MetaTensor:
        """Synthesize.

        Args:
            inputs: `(1, 1 + K, X, Y, Z)`: anatomy labels, then control channels.
            network: the denoiser, see `WindowedDenoiser`.

        Returns:
            `(1, 1, X, Y, Z)` in HU; its meta holds `region`.
        """
        volume = self._volume(inputs)
        generator = torch.Generator().manual_seed(int(self.seed) + volume.sample)
        wide = replace(volume, region=volume.region if volume.hu_window == WIDEST_WINDOW else WIDEST)
        if self.coarse_to_fine:
            image_level = self._from_noise(network, self._at_image_level(wide), generator)
            result = self._refine(network, wide, self._enlarged(image_level, volume), generator)
        else:
            result = self._from_noise(network, self._with_air(wide), generator)
        hu = wide.hu_window.to_hu(result)
        if wide.region != volume.region:
            unit = volume.hu_window.to_unit(hu)
            narrow = self._refine(network, volume, unit.clamp(-1, 1), generator)
            hu = volume.hu_window.to_hu(join_at_window_edge(narrow, unit))
        return MetaTensor(hu, meta=volume.meta | {"region": volume.region})

    def _volume(self, inputs: torch.Tensor) -> Volume:
        """The map's channels are conditions here; the image is what is to be made."""
        volume = self.take_apart(inputs)
        anatomy = volume.image if self.use_anatomy else torch.zeros_like(volume.image)
        others = [] if volume.conditions is None else [volume.conditions]
        return replace(volume, conditions=torch.cat([anatomy, *others], dim=1))

    def _at_image_level(self, volume: Volume) -> Volume:
        size = [min(n, self.image_size) for n in volume.image.shape[2:]]
        image = volume.image.new_zeros(1, 1, *size)
        return replace(
            volume, image=image, conditions=F.interpolate(volume.conditions, size, mode="nearest-exact")
        )

    @staticmethod
    def _enlarged(image_level: torch.Tensor, volume: Volume) -> torch.Tensor:
        size = volume.image.shape[2:]
        return F.interpolate(image_level, size, mode="trilinear", align_corners=False)

    def _with_air(self, volume: Volume) -> Volume:
        """Air is known where a map that outlines the body says so."""
        content = content_of_map(volume.conditions[0, 0].cpu().numpy()) if self.windows.skip_air else None
        if content is None:
            return volume
        air = torch.tensor(volume.hu_window.to_unit(AIR_HU)).clamp(-1, 1)
        return replace(volume, known=KnownPart(content, air, self.schedule))

    def _from_noise(self, network: Network, volume: Volume, generator: torch.Generator) -> torch.Tensor:
        noise = noise_like(volume.image, generator)
        return self._sample(network, volume, noise, self.schedule.num_train_timesteps - 1, generator)

    def _refine(
        self, network: Network, volume: Volume, start: torch.Tensor, generator: torch.Generator
    ) -> torch.Tensor:
        noisy = self.schedule.add_noise(start, noise_like(volume.image, generator), self.refine_from)
        del start  # as large as the volume
        return self._sample(network, self._with_air(volume), noisy, self.refine_from, generator)

    def _sample(
        self, network: Network, volume: Volume, x: torch.Tensor, t_start: int, generator: torch.Generator
    ) -> torch.Tensor:
        # From pure noise, even steps in log-SNR would spend half of them where nothing is decided yet; from
        # less noise, even timesteps would jump over the last of it, and with it over the texture.
        from_noise = t_start == self.schedule.num_train_timesteps - 1
        timesteps = timestep_list(self.schedule, self.steps, t_start, "linear" if from_noise else "log_snr")
        solver: Solver = DPMSolver2M(self.schedule)
        if self.solver == "ddpm":
            solver = DDIM(self.schedule, eta=1.0, generator=generator)
        return self.sample(network, volume, x, timesteps, solver, guidance_scale=self.guidance_scale)
