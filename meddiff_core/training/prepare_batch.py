"""Noise, timesteps and conditions for a training or validation batch of the foundation model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from monai.engines.utils import DiffusionPrepareBatch

from meddiff_core.conditions.regions import region_id
from meddiff_core.diffusion.schedule import NoiseSchedule


class FoundationPrepareBatch(DiffusionPrepareBatch):
    """Makes `(inputs, target, (), {timesteps, class_labels})` from a batch of patches.

    Inputs are `(B, 5 + K, X, Y, Z)`: noisy image, coordinates, anatomy, control. Region and anatomy are
    dropped at random, each on its own, so that both are optional at inference (classifier-free guidance).
    Anatomy is dropped more often in the low-noise range: a scan to be denoised mostly comes without a map,
    while synthesis, which starts from pure noise, has one.

    Args:
        schedule: noise schedule; it also knows what the network predicts.
        low_noise_share: share of the timesteps drawn from `low_noise_range`. Denoising starts in that range.
        high_noise_share: share drawn from `high_noise_range`, where the conditions are learned: at less noise
            the image itself tells what they would. The rest is drawn from all timesteps.
        low_noise_range: first and last timestep of that range.
        high_noise_range: first and last timestep of that range.
        drop_region: how often the region becomes the null class; 0.1.
        drop_anatomy: how often the anatomy becomes the null label; 0.1 as in the paper.
        drop_anatomy_low_noise: the same for timesteps within `low_noise_range`.
        control_keys: further maps of the batch, `(B, C, X, Y, Z)`, that follow the anatomy in the inputs: the
            condition of a ControlNet. Never dropped: without it there is nothing to fine-tune for.
    """

    def __init__(
        self,
        schedule: NoiseSchedule,
        low_noise_share: float = 0.3,
        high_noise_share: float = 0.4,
        low_noise_range: Sequence[int] = (10, 250),
        high_noise_range: Sequence[int] = (600, 999),
        drop_region: float = 0.1,
        drop_anatomy: float = 0.1,
        drop_anatomy_low_noise: float = 0.6,
        control_keys: Sequence[str] = (),
    ) -> None:
        super().__init__(num_train_timesteps=schedule.num_train_timesteps)
        self.schedule = schedule
        self.low_noise_share = low_noise_share
        self.high_noise_share = high_noise_share
        self.low_noise_range = tuple(low_noise_range)
        self.high_noise_range = tuple(high_noise_range)
        self.drop_region = drop_region
        self.drop_anatomy = drop_anatomy
        self.drop_anatomy_low_noise = drop_anatomy_low_noise
        self.control_keys = tuple(control_keys)

    def get_timesteps(self, images: torch.Tensor) -> torch.Tensor:
        """Timesteps `(B,)`: a mixture of the low-noise range, the high-noise range, and all of them."""
        n, device = images.shape[0], images.device
        t = torch.randint(0, self.num_train_timesteps, (n,), device=device)
        low, high = (
            torch.randint(first, last + 1, (n,), device=device)
            for first, last in (self.low_noise_range, self.high_noise_range)
        )
        draw = torch.rand(n, device=device)
        t = torch.where(draw < self.low_noise_share, low, t)
        return torch.where(draw > 1 - self.high_noise_share, high, t)

    def get_noisy(self, images: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """What the network sees of the images."""
        return self.schedule.add_noise(images, noise, timesteps)

    def get_target(self, images: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """What the network should predict: v or eps, as the schedule says."""
        return self.schedule.target(images, noise, timesteps)

    def __call__(
        self,
        batchdata: dict[str, Any],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor, tuple, dict[str, torch.Tensor]]:
        def send(x: torch.Tensor) -> torch.Tensor:
            return torch.as_tensor(x).to(device=device, non_blocking=non_blocking, dtype=torch.float32)

        image, coords, anatomy = (send(batchdata[key]) for key in ("image", "coords", "anatomy"))
        regions = torch.tensor([region_id(name) for name in batchdata["region"]], device=device)
        timesteps = self.get_timesteps(image)
        regions, anatomy = self.drop_conditions(regions, anatomy, timesteps)
        noise = self.get_noise(image)
        noisy = self.get_noisy(image, noise, timesteps)
        control = [send(batchdata[key]) for key in self.control_keys]
        inputs = torch.cat([noisy, coords, anatomy, *control], dim=1)
        target = self.get_target(image, noise, timesteps)
        return inputs, target, (), {"timesteps": timesteps, "class_labels": regions}

    def drop_conditions(
        self, regions: torch.Tensor, anatomy: torch.Tensor, timesteps: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Replace regions `(B,)` and anatomy `(B, 1, X, Y, Z)` by their null classes at random."""
        chance = torch.rand(2, *regions.shape, device=regions.device)
        low = (timesteps >= self.low_noise_range[0]) & (timesteps <= self.low_noise_range[1])
        lost = chance[1] < torch.where(low, self.drop_anatomy_low_noise, self.drop_anatomy)
        regions = torch.where(chance[0] < self.drop_region, 0, regions)
        return regions, anatomy.masked_fill(lost[:, None, None, None, None], 0.0)


class MeanStartPrepareBatch(FoundationPrepareBatch):
    """`FoundationPrepareBatch` that also trains the one-step answer of least error, from the control alone.

    At the last timestep nothing of the image is left; the expected answer over all noise is asked for there,
    with the noise's own mean, zero, as the input. Measured in super-resolution: an answer from drawn noise
    carries some of it, 0.2 to 0.8 dB, which the average of several draws takes out.

    Args:
        schedule: noise schedule.
        mean_start_share: share of the timesteps that are the last one.
        options: see `FoundationPrepareBatch`.
    """

    def __init__(self, schedule: NoiseSchedule, mean_start_share: float = 0.5, **options: Any) -> None:
        super().__init__(schedule, **options)
        self.mean_start_share = mean_start_share
        self.last = schedule.num_train_timesteps - 1

    def get_timesteps(self, images: torch.Tensor) -> torch.Tensor:
        """Timesteps `(B,)`."""
        t = super().get_timesteps(images)
        return torch.where(torch.rand(t.shape, device=t.device) < self.mean_start_share, self.last, t)

    def get_noisy(self, images: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """The noisy images, zero at the last timestep."""
        noisy = super().get_noisy(images, noise, timesteps)
        return noisy * (timesteps < self.last).reshape(-1, *[1] * (images.ndim - 1))


class FixedNoisePrepareBatch(FoundationPrepareBatch):
    """For validation: one timestep, the same noise every time, no anatomy; the target is the clean image.

    Args:
        schedule: noise schedule.
        timestep: 87 is sigma 0.15 in [-1, 1], the noise level of the denoising figures.
        seed: seed of the noise.
        control_keys: as in `FoundationPrepareBatch`.
    """

    def __init__(
        self, schedule: NoiseSchedule, timestep: int = 87, seed: int = 0, control_keys: Sequence[str] = ()
    ) -> None:
        super().__init__(schedule, control_keys=control_keys)
        self.timestep = timestep
        self.seed = seed

    def get_timesteps(self, images: torch.Tensor) -> torch.Tensor:
        """The one timestep, `(B,)`."""
        return torch.full((images.shape[0],), self.timestep, device=images.device)

    def get_noise(self, images: torch.Tensor) -> torch.Tensor:
        """Noise from the seed alone, the same for every epoch and device."""
        generator = torch.Generator().manual_seed(self.seed)
        return torch.randn(images.shape, generator=generator).to(images.device)

    def get_target(self, images: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """The clean image."""
        return images

    def drop_conditions(
        self, regions: torch.Tensor, anatomy: torch.Tensor, timesteps: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The regions as they are, no anatomy."""
        return regions, torch.zeros_like(anatomy)
