"""Training batches with the noise of one scan."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from meddiff_core.conditions.regions import region_window
from meddiff_core.diffusion.schedule import NoiseSchedule
from meddiff_core.inferers.denoising import clipped
from meddiff_core.physics.noise_spectrum import CODE_LENGTH
from meddiff_core.physics.scan_noise import ScanNoise
from meddiff_core.training.noise_kinds import NoisyPatches, WhiteNoise
from meddiff_core.training.prepare_batch import FoundationPrepareBatch


class ScanNoisePrepareBatch(FoundationPrepareBatch):
    """Noise of a known level and spectrum, at the timestep that it has in the HU window of each patch.

    A network is asked what `DenoisingInferer` asks of it; no condition is dropped.

    Args:
        schedule: noise schedule.
        noise: of the scan, in HU.
    """

    def __init__(self, schedule: NoiseSchedule, noise: ScanNoise) -> None:
        super().__init__(schedule, [WhiteNoise(drop_anatomy=0.0)], drop_region=0.0)
        self.measured = noise

    def add_noise(
        self,
        images: torch.Tensor,
        kinds: Sequence[int],
        min_timesteps: Sequence[int],
        regions: Sequence[str],
    ) -> NoisyPatches:
        """The patches `(B, 1, X, Y, Z)` with new noise of the scan's kind."""
        noise = [self.measured.spectrum.draw(images.shape[2:]) * self.measured.level for _ in images]
        return self.with_noise(images, torch.stack(noise)[:, None].to(images), regions)

    def with_noise(self, images: torch.Tensor, noise: torch.Tensor, regions: Sequence[str]) -> NoisyPatches:
        """The patches with given noise.

        Args:
            images: clean patches `(B, 1, X, Y, Z)` in [-1, 1].
            noise: of the same shape, in HU.
            regions: classes whose HU windows the patches are in.
        """
        per_hu = [2.0 / region_window(region).width for region in regions]
        levels = [self.measured.level * unit for unit in per_hu]
        timesteps = torch.tensor([self.schedule.nearest_timestep(level) for level in levels])
        timesteps = timesteps.to(images.device)
        scale, level = (images.new_tensor(v).reshape(-1, 1, 1, 1, 1) for v in (per_hu, levels))
        noisy = self.schedule.alpha(timesteps, images).sqrt() * clipped(images + scale * noise, level)
        code = self.measured.code
        code = torch.zeros(CODE_LENGTH) if code is None else code
        return NoisyPatches(
            noisy=noisy,
            target=self.schedule.from_x0(images, noisy, timesteps),
            timesteps=timesteps,
            noise_code=code.to(images).expand(len(images), -1),
            weight=torch.ones_like(images),
            told=torch.ones_like(images),
        )
