"""CT and lesion mask to CT with a lesion there: RePaint with a ControlNet that sees the mask."""

from __future__ import annotations

from math import ceil
from typing import Any

import torch
from monai.data import MetaTensor

from meddiff_core.conditions.boxes import lesion_boxes
from meddiff_core.conditions.feather import feathered
from meddiff_core.conditions.lesion_hu import LesionHU
from meddiff_core.diffusion.corrected import corrected
from meddiff_core.diffusion.ddim import DDIM
from meddiff_core.diffusion.lesion_term import LesionTerm, match_lesion
from meddiff_core.diffusion.noise import noise_like
from meddiff_core.diffusion.repaint import evaluations, repaint, resampling_plan
from meddiff_core.diffusion.schedule import NoiseSchedule
from meddiff_core.diffusion.timesteps import timestep_list
from meddiff_core.errors import InputError, check_count, check_number
from meddiff_core.inferers.volume import Volume
from meddiff_core.inferers.volume_inferer import VolumeInferer
from meddiff_core.inferers.windowed import Network
from meddiff_core.physics.scan_noise import ScanNoise

LEAST_CROP = 64
"""Voxels per axis of a crop: a little more than the patches of the training."""


class InpaintingInferer(VolumeInferer):
    """Makes up what lies within a mask, in agreement with what is around it (MedDiff-FM, eq. 13; RePaint).

    Only a crop around each lesion is sampled, with the coordinates that it has in the whole volume; lesions
    whose crops overlap are sampled together.

    Args:
        schedule: noise schedule, which knows what the network predicts.
        steps: timesteps on the way from noise to image. In a chest that training never saw, 20 steps in 3
            rounds took five times as long, and the lesions looked the same.
        jump_length: steps after which the sampling jumps back, see `resampling_plan`.
        jump_rounds: how often each of those stretches is walked; 1 is without jumps. The network is evaluated
            `steps` times `jump_rounds`.
        start_from: timestep of the start. Less than 999 keeps the more of what was there, the less it is.
        feather: mm within the mask over which the original goes over into the lesion; 0 is a hard edge.
        context: mm around a lesion that the network sees at least.
        lesion_hu: mean and deviation of the lesions' HU; default `LesionHU()`, those of a training lesion.
        seed: seed of the noise; the input's meta may add to it by `sample`.
        options: region, windows and runtime, see `VolumeInferer`.

    Raises:
        InputError: for an option outside its range.
    """

    def __init__(
        self,
        schedule: NoiseSchedule,
        steps: int = 12,
        jump_length: int = 2,
        jump_rounds: int = 1,
        start_from: int = 999,
        feather: float = 1.5,
        context: float = 20.0,
        lesion_hu: LesionHU | None = None,
        seed: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(schedule, **options)
        check_count("steps", steps)
        check_count("jump_length", jump_length)
        check_count("jump_rounds", jump_rounds)
        check_count("start_from", start_from, 1, schedule.num_train_timesteps - 1)
        check_number("feather", feather, "a number of mm of at least 0", lambda v: v >= 0)
        check_number("context", context, "a number of mm of at least 0", lambda v: v >= 0)
        timesteps = timestep_list(schedule, int(steps), int(start_from), "linear")
        self.plan = resampling_plan(timesteps, int(jump_length), int(jump_rounds))
        self.steps = int(steps)
        self.jump_length = int(jump_length)
        self.jump_rounds = int(jump_rounds)
        self.start_from = int(start_from)
        self.feather = feather
        self.context = context
        self.lesion_hu = lesion_hu or LesionHU()
        self.seed = seed

    def __call__(self, inputs: torch.Tensor, network: Network, *args: Any, **kwargs: Any) -> MetaTensor:
        """Inpaint.

        Args:
            inputs: `(1, 3, X, Y, Z)`: image scaled to [-1, 1] by the region's window and not clipped, anatomy
                labels without the lesion, lesion mask.
            network: the denoiser, see `WindowedDenoiser`.

        Returns:
            `(1, 1, X, Y, Z)` in HU, outside the mask the input's up to rounding; its meta holds `region`.
        """
        if inputs.shape[1] != 3:
            raise InputError(
                f"Inpainting got {inputs.shape[1]} channel(s): give image, anatomy and lesion mask."
            )
        volume = self.take_apart(inputs)
        lesion = volume.conditions[0, 1].cpu().numpy() > 0
        if not lesion.any():
            raise InputError("The lesion mask is empty: there is nothing to inpaint.")
        # the last digit of a spacing, which an oblique affine rounds, must not decide
        margin = [ceil(self.context / step - 1e-3) for step in volume.spacing]
        seed = int(self.seed) + volume.sample
        generator = torch.Generator().manual_seed(seed)
        place = volume.conditions[0, 0].cpu().numpy()[lesion]
        statistics = self.lesion_hu.draw(place, seed)
        result = volume.hu_window.to_hu(volume.image)
        for box in lesion_boxes(lesion, margin, LEAST_CROP, getattr(network, "divisor", 1)):
            self._inpaint(network, volume.crop(box), statistics, result[(..., *box)], generator)
        facts = {"lesion_hu": round(statistics[0], 1), "lesion_deviation": round(statistics[1], 1)}
        return MetaTensor(result, meta=volume.meta | {"region": volume.region} | facts)

    def _inpaint(
        self,
        network: Network,
        crop: Volume,
        statistics: tuple[float, float],
        hu: torch.Tensor,
        generator: torch.Generator,
    ) -> None:
        """Change a crop's `hu` `(1, 1, X, Y, Z)` in place within its lesions, whose HU have `statistics`."""
        lesion = crop.conditions[0, 1].cpu().numpy() > 0
        mask = torch.from_numpy(lesion)[None, None].to(hu.device)
        weight = torch.from_numpy(feathered(lesion, crop.spacing, self.feather))[None, None].to(hu.device)
        known = crop.image.clamp(-1, 1)
        start = self.schedule.add_noise(known, noise_like(known, generator), self.plan[0])
        solver = DDIM(self.schedule, eta=1.0, generator=generator)
        window, steps = crop.hu_window, evaluations(self.plan)
        term = LesionTerm(mask, window.to_unit(statistics[0]), statistics[1] * 2 / window.width)
        with self.denoiser(network, crop, steps, moving=steps - 1 if self.windows.moving else 0) as denoiser:
            x0 = repaint(
                corrected(denoiser, self.schedule, term),
                *(start, self.plan, self.schedule, solver, known, weight, generator),
            )
        # in HU, so that on the soft edge nothing is clipped to the window
        noise = ScanNoise.estimate(hu[0, 0].cpu().numpy())
        made = match_lesion(window.to_hu(x0), lesion, statistics, noise, crop.spacing, generator)
        hu.lerp_(made, weight)
