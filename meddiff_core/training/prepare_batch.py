"""Noise, timesteps and conditions for a training or validation batch of the foundation model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from monai.engines.utils import PrepareBatch

from meddiff_core.conditions.regions import region_id
from meddiff_core.diffusion.schedule import NoiseSchedule
from meddiff_core.errors import InputError
from meddiff_core.physics.noise_spectrum import NoiseSpectrum
from meddiff_core.training.noise_kinds import NoisyPatches, WhiteNoise

Prepared = tuple[torch.Tensor, torch.Tensor, tuple, dict[str, torch.Tensor]]


class FoundationPrepareBatch(PrepareBatch):
    """Makes `(inputs, target, (), {timesteps, class_labels, noise_code})` from a batch of patches.

    Inputs are `(B, 5 + K, X, Y, Z)`: noisy image, coordinates, anatomy, control. The target is `(B, 2, X, Y,
    Z)`: what to predict, and the weight of each voxel in the loss. Each patch gets one kind of noise.
    Region and anatomy are dropped at random, each on its own, so that both are optional at inference
    (classifier-free guidance).

    Args:
        schedule: noise schedule; it also knows what the network predicts.
        noise: kinds of noise, each with its share; default white noise at all timesteps, as in the paper.
        drop_region: how often the region becomes the null class; 0.1.
        control_keys: further maps of the batch, `(B, C, X, Y, Z)`, that follow the anatomy in the inputs: the
            condition of a ControlNet. Never dropped: without it there is nothing to fine-tune for.
    """

    def __init__(
        self,
        schedule: NoiseSchedule,
        noise: Sequence[WhiteNoise] = (WhiteNoise(),),
        drop_region: float = 0.1,
        control_keys: Sequence[str] = (),
    ) -> None:
        self.schedule = schedule
        self.noise = list(noise)
        self.drop_region = drop_region
        self.control_keys = tuple(control_keys)

    def __call__(
        self,
        batchdata: dict[str, Any],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> Prepared:
        def send(x: torch.Tensor) -> torch.Tensor:
            return torch.as_tensor(x).to(device=device, non_blocking=non_blocking, dtype=torch.float32)

        image, coords, anatomy = (send(batchdata[key]) for key in ("image", "coords", "anatomy"))
        regions = torch.tensor([region_id(name) for name in batchdata["region"]], device=device)
        least = torch.as_tensor(batchdata.get("min_timestep", [0] * len(image))).tolist()
        kinds = self.draw_kinds(least)
        patches = self.add_noise(image, kinds, least, batchdata["region"])
        drop = torch.tensor([self.noise[kind].drop_anatomy for kind in kinds])
        regions, anatomy = self.drop_conditions(regions, anatomy * patches.told, drop)
        control = [send(batchdata[key]) for key in self.control_keys]
        inputs = torch.cat([patches.noisy, coords, anatomy, *control], dim=1)
        target = torch.cat([patches.target, self.weigh(patches.weight, control)], dim=1)
        conditions = {"class_labels": regions, "noise_code": patches.noise_code}
        return inputs, target, (), {"timesteps": patches.timesteps} | conditions

    def draw_kinds(self, min_timesteps: Sequence[int]) -> list[int]:
        """Which kind of noise each patch gets, by the shares of those that reach its least timestep.

        Args:
            min_timesteps: least timestep of each patch: a coarse volume has no texture to learn from at less
                noise.

        Raises:
            InputError: no kind of noise reaches the least timestep of a patch.
        """
        shares = torch.tensor([kind.share for kind in self.noise])
        last = torch.tensor([kind.last for kind in self.noise])
        shares = shares * (last >= torch.tensor(min_timesteps)[:, None])
        if not shares.any(dim=1).all():
            raise InputError(
                f"No kind of noise reaches timestep {max(min_timesteps)}, the least of a coarse volume: leave"
                " coarse volumes out of the data list, or add noise at high timesteps."
            )
        return torch.multinomial(shares, 1)[:, 0].tolist()

    def add_noise(
        self,
        images: torch.Tensor,
        kinds: Sequence[int],
        min_timesteps: Sequence[int],
        regions: Sequence[str],
    ) -> NoisyPatches:
        """The patches `(B, 1, X, Y, Z)`, each with the noise of its kind."""
        parts = [
            self.noise[kind](self.schedule, image[None], least)
            for kind, image, least in zip(kinds, images, min_timesteps, strict=True)
        ]
        return NoisyPatches(*(torch.cat([getattr(part, name) for part in parts]) for name in _FIELDS))

    def weigh(self, weight: torch.Tensor, control: Sequence[torch.Tensor]) -> torch.Tensor:
        """Weight of each voxel in the loss, from that of the noise and the control channels."""
        return weight

    def drop_conditions(
        self, regions: torch.Tensor, anatomy: torch.Tensor, drop_anatomy: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Replace regions `(B,)` and anatomy `(B, 1, X, Y, Z)` by their null classes at random.

        Args:
            regions: region ids.
            anatomy: labels.
            drop_anatomy: how often each patch loses its anatomy, `(B,)`.
        """
        chance = torch.rand(2, *regions.shape)
        lost = (chance[1] < drop_anatomy).to(anatomy.device)
        regions = torch.where((chance[0] < self.drop_region).to(regions.device), 0, regions)
        return regions, anatomy.masked_fill(lost[:, None, None, None, None], 0.0)


_FIELDS = tuple(NoisyPatches.__dataclass_fields__)


class FixedNoisePrepareBatch(FoundationPrepareBatch):
    """For validation: one timestep, the same noise every time, no anatomy; the target is the clean image.

    Args:
        schedule: noise schedule.
        timestep: 87 is sigma 0.15 in [-1, 1], the noise level of the denoising figures.
        seed: seed of the noise.
        spectrum: of the noise, which the network is told; default white.
        control_keys: as in `FoundationPrepareBatch`.
    """

    def __init__(
        self,
        schedule: NoiseSchedule,
        timestep: int = 87,
        seed: int = 0,
        spectrum: NoiseSpectrum | None = None,
        control_keys: Sequence[str] = (),
    ) -> None:
        super().__init__(schedule, drop_region=0.0, control_keys=control_keys)
        self.timestep = timestep
        self.seed = seed
        self.spectrum = spectrum or NoiseSpectrum()

    def __call__(self, batchdata: dict[str, Any], *args: Any, **kwargs: Any) -> Prepared:
        """See `FoundationPrepareBatch`; the target is `(B, 1, X, Y, Z)`, the clean image."""
        with torch.random.fork_rng(devices=[]):  # validation does not shift what training draws
            inputs, target, rest, conditions = super().__call__(batchdata, *args, **kwargs)
        return inputs, target[:, :1], rest, conditions

    def add_noise(
        self,
        images: torch.Tensor,
        kinds: Sequence[int],
        min_timesteps: Sequence[int],
        regions: Sequence[str],
    ) -> NoisyPatches:
        """The patches with noise from the seed alone, the same for every epoch and device."""
        generator = torch.Generator().manual_seed(self.seed)
        noise = [self.spectrum.draw(images.shape[2:], generator) for _ in images]
        timesteps = torch.full((len(images),), self.timestep, device=images.device)
        return NoisyPatches(
            noisy=self.schedule.add_noise(images, torch.stack(noise)[:, None].to(images), timesteps),
            target=images,
            timesteps=timesteps,
            noise_code=self.spectrum.code().to(images).expand(len(images), -1),
            weight=torch.ones_like(images),
            told=torch.ones_like(images),
        )

    def drop_conditions(
        self, regions: torch.Tensor, anatomy: torch.Tensor, drop_anatomy: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The regions as they are, no anatomy."""
        return regions, torch.zeros_like(anatomy)
