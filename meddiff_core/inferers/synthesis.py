"""Anatomy map to CT with the foundation as it is, coarse to fine."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from torch.nn import functional as F

from meddiff_core.conditions.organ_hu import Targets, TissueHU
from meddiff_core.conditions.regions import WIDEST, WIDEST_WINDOW
from meddiff_core.conditions.usual_hu import unusual_hu
from meddiff_core.conditions.window_edge import join_at_window_edge
from meddiff_core.diffusion.data_terms import class_means
from meddiff_core.diffusion.ddim import DDIM
from meddiff_core.diffusion.dpm_solver import DPMSolver2M
from meddiff_core.diffusion.noise import noise_like
from meddiff_core.diffusion.sample import Solver
from meddiff_core.diffusion.schedule import NoiseSchedule
from meddiff_core.diffusion.timesteps import timestep_list
from meddiff_core.errors import check_choice, check_count, check_flag, check_number
from meddiff_core.inferers.draw import Draw
from meddiff_core.inferers.fine_structure import BETWEEN_VESSELS_HU, FineStructure, VesselTerm
from meddiff_core.inferers.known_part import AIR_HU, KnownPart, content_of_map
from meddiff_core.inferers.volume import Volume
from meddiff_core.inferers.volume_inferer import VolumeInferer
from meddiff_core.inferers.windowed import Network

logger = logging.getLogger("meddiff")

SOLVERS = ("ddpm", "dpm_solver")

Correction = Callable[[torch.Tensor, int], torch.Tensor]

_NEXT_SEED = 1_000_003
"""Far from the seeds of other samples."""


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
        tissue: mean HU of organs and tissues, and how often a volume with others is sampled again; default
            `TissueHU()`, which leaves them to the network.
        fine_structure: vessels and noise; default `FineStructure()`: none but the network's own.
        solver: `ddpm` (ancestral: fresh noise in each step takes back what earlier steps got wrong) or
            `dpm_solver` (DPM-Solver++, deterministic after the start).
        options: region, windows and runtime, see `VolumeInferer`.

    Raises:
        InputError: for an option outside its range.
    """

    image_size = 64
    """Most voxels per axis at image level; a shorter axis stays as it is."""

    refine_from = 800
    """Timestep from which a stage is refined. The coarse shape outlasts 800; from 350 the blur of the image
    level would outlast it, too."""

    def __init__(
        self,
        schedule: NoiseSchedule,
        steps: int = 8,
        guidance_scale: float = 1.0,
        seed: int = 0,
        coarse_to_fine: bool = True,
        use_anatomy: bool = True,
        tissue: TissueHU | None = None,
        fine_structure: FineStructure | None = None,
        solver: str = "ddpm",
        **options: Any,
    ) -> None:
        super().__init__(schedule, **options)
        check_count("steps", steps)
        check_number("guidance_scale", guidance_scale, "a number of at least 0", lambda v: v >= 0)
        check_choice("solver", solver, SOLVERS)
        self.tissue = tissue or TissueHU()
        self.fine_structure = fine_structure or FineStructure()
        self.steps = int(steps)
        self.guidance_scale = guidance_scale
        self.seed = seed
        self.coarse_to_fine = check_flag("coarse_to_fine", coarse_to_fine)
        self.use_anatomy = check_flag("use_anatomy", use_anatomy)
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
        labels = volume.conditions[0, 0].cpu().numpy().astype(np.uint8)
        targets = self.tissue.targets(labels, volume.region)
        healthy = np.where(self._others(volume)[0, 0].cpu().numpy(), 0, labels)
        seed, found = int(self.seed) + volume.sample, None
        vessels = self.fine_structure.vessels(healthy, volume, seed) if self.dry_run is None else None
        for attempt in range(self.tissue.retries + 1):
            generator = torch.Generator().manual_seed(seed + attempt * _NEXT_SEED)
            draw = self.prepare(Draw(network, generator, targets, vessels), volume, seed)
            hu, before = self._make(draw, volume), found
            voxel_ml = float(np.prod(volume.spacing)) / 1000
            unusual = unusual_hu(hu[0, 0].cpu().numpy(), healthy, voxel_ml, volume.region, targets)
            if before is None or len(unusual) < len(before):
                best, found = hu, unusual
            if not found or self.dry_run is not None:
                break
            if attempt < self.tissue.retries:
                logger.info("Sampled again from another seed: %s.", ", ".join(unusual))
        facts = {"region": volume.region}
        if self.tissue.retries and self.dry_run is None:
            facts["unusual_hu"] = ", ".join(found) or "none"
            if found:
                logger.warning(
                    "No scan of the training has such HU: %s. Look at the result.", ", ".join(found)
                )
        if draw.lesion is not None:
            facts |= {"lesion_hu": draw.lesion[0], "lesion_deviation": draw.lesion[1]}
        return MetaTensor(best, meta=volume.meta | facts)

    def prepare(self, draw: Draw, volume: Volume, seed: int) -> Draw:
        """What else a sample of `seed` is to have."""
        return draw

    def correction(self, draw: Draw, volume: Volume) -> Correction | None:
        """The data term of a stage, in the scale of `volume`."""
        unit = {ids: float(volume.hu_window.to_unit(hu)) for ids, hu in draw.targets.items()}
        means = self._means(volume, {ids: min(max(value, -1.0), 1.0) for ids, value in unit.items()})
        if draw.vessels is None:
            return means
        blood, lung = (float(volume.hu_window.to_unit(hu)) for hu in (self.tissue.blood, BETWEEN_VESSELS_HU))
        vessels = VesselTerm(draw.vessels, min(blood, 1.0), lung)
        return vessels if means is None else lambda x0, t: means(vessels(x0, t), t)

    def finish(self, draw: Draw, volume: Volume, hu: torch.Tensor) -> torch.Tensor:
        """The sample in HU, `(1, 1, X, Y, Z)`, with what was asked for to the digit."""
        means = self._means(volume, draw.targets)
        hu = hu if means is None else means(hu, 0)
        return self.fine_structure.add_noise(hu, volume, draw.generator)

    def _means(self, volume: Volume, targets: Targets) -> Correction | None:
        """Means of labels in a volume, whose first condition is the map; a lesion is of no label."""
        labels = volume.conditions[:, :1].long().masked_fill(self._others(volume), 0)
        return class_means(labels, targets) if targets else None

    @staticmethod
    def _others(volume: Volume) -> torch.Tensor:
        """Where the conditions beside the map are, such as a lesion, bool `(1, 1, X, Y, Z)`."""
        return (volume.conditions[:, 1:] > 0).any(dim=1, keepdim=True)

    def _make(self, draw: Draw, volume: Volume) -> torch.Tensor:
        """One sample in HU, `(1, 1, X, Y, Z)`."""
        wide = replace(volume, region=volume.region if volume.hu_window == WIDEST_WINDOW else WIDEST)
        if self.coarse_to_fine:
            image_level = self._from_noise(draw, self._at_image_level(wide))
            result = self._refine(draw, wide, self._enlarged(image_level, volume))
        else:
            result = self._from_noise(draw, self._with_air(wide))
        hu = wide.hu_window.to_hu(result)
        if wide.region != volume.region:
            unit = volume.hu_window.to_unit(hu)
            narrow = self._refine(draw, volume, unit.clamp(-1, 1))
            hu = volume.hu_window.to_hu(join_at_window_edge(narrow, unit))
        return self.finish(draw, volume, hu)

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

    def _from_noise(self, draw: Draw, volume: Volume) -> torch.Tensor:
        noise = noise_like(volume.image, draw.generator)
        return self._sample(draw, volume, noise, self.schedule.num_train_timesteps - 1)

    def _refine(self, draw: Draw, volume: Volume, start: torch.Tensor) -> torch.Tensor:
        noise = noise_like(volume.image, draw.generator)
        noisy = self.schedule.add_noise(start, noise, self.refine_from)
        del start, noise  # as large as the volume
        return self._sample(draw, self._with_air(volume), noisy, self.refine_from)

    def _sample(self, draw: Draw, volume: Volume, x: torch.Tensor, t_start: int) -> torch.Tensor:
        # From pure noise, even steps in log-SNR would spend half of them where nothing is decided yet; from
        # less noise, even timesteps would jump over the last of it, and with it over the texture.
        from_noise = t_start == self.schedule.num_train_timesteps - 1
        timesteps = timestep_list(self.schedule, self.steps, t_start, "linear" if from_noise else "log_snr")
        solver: Solver = DPMSolver2M(self.schedule)
        if self.solver == "ddpm":
            solver = DDIM(self.schedule, eta=1.0, generator=draw.generator)
        correct = self.correction(draw, volume)
        return self.sample(
            draw.network, volume, x, timesteps, solver, correct, guidance_scale=self.guidance_scale
        )
