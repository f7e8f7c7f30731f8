"""Anatomy map and lesion mask to CT: synthesis in which the lesions have the HU that they are to have."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from monai.transforms import GaussianSmooth

from meddiff_core.conditions.feather import feathered
from meddiff_core.conditions.lesion_hu import LesionHU
from meddiff_core.diffusion.lesion_term import LesionTerm, match_lesion
from meddiff_core.diffusion.schedule import NoiseSchedule
from meddiff_core.inferers.draw import Draw
from meddiff_core.inferers.synthesis import Correction, SynthesisInferer
from meddiff_core.inferers.volume import Volume
from meddiff_core.physics.scan_noise import ScanNoise

_SOFT_EDGE_MM = 1.5
"""Within the mask, the lesion goes over into its surroundings as far as a scan is blurred."""
_BLUR_VOXELS = 0.7


class LesionSynthesisInferer(SynthesisInferer):
    """Synthesis from an anatomy map and a lesion mask, which the network sees as a control channel.

    Args:
        schedule: noise schedule, which knows what the network predicts.
        lesion_hu: mean and deviation of the lesions' HU; default `LesionHU()`, those of a training lesion.
        options: of `SynthesisInferer`.

    Raises:
        InputError: for an option outside its range.
    """

    def __init__(
        self,
        schedule: NoiseSchedule,
        lesion_hu: LesionHU | None = None,
        **options: Any,
    ) -> None:
        super().__init__(schedule, **options)
        self.lesion_hu = lesion_hu or LesionHU()

    def prepare(self, draw: Draw, volume: Volume, seed: int) -> Draw:
        """A sample whose lesions have HU as asked for, or those of a real lesion."""
        lesion = volume.conditions[0, 1] > 0
        if not lesion.any():
            return draw
        place = volume.conditions[0, 0][lesion].cpu().numpy()
        return replace(draw, lesion=self.lesion_hu.draw(place, seed))

    def correction(self, draw: Draw, volume: Volume) -> Correction | None:
        """The data terms of organs and lesions."""
        organs, mask = super().correction(draw, volume), volume.conditions[:, 1:2] > 0
        if draw.lesion is None or not mask.any():
            return organs
        window = volume.hu_window
        term = LesionTerm(mask, window.to_unit(draw.lesion[0]), draw.lesion[1] * 2 / window.width)
        return term if organs is None else lambda x0, t: term(organs(x0, t), t)

    def finish(self, draw: Draw, volume: Volume, hu: torch.Tensor) -> torch.Tensor:
        """The sample, within its lesions with their mean and deviation, and a border as blurred as a scan."""
        hu = super().finish(draw, volume, hu)
        lesion = volume.conditions[0, 1].cpu().numpy() > 0
        if draw.lesion is None:
            return hu
        noise = ScanNoise.estimate(hu[0, 0].cpu().numpy())
        made = match_lesion(hu, lesion, draw.lesion, noise, tuple(volume.spacing), draw.generator)
        weight = torch.from_numpy(feathered(lesion, volume.spacing, _SOFT_EDGE_MM)).to(hu.device)
        blurred = GaussianSmooth(sigma=_BLUR_VOXELS)(made[0])[None]
        mixed = torch.lerp(blurred, made, (2 * weight - 1).clamp_min(0)[None, None])
        return torch.where(weight[None, None] > 0, mixed, hu)
