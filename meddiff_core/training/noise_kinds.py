"""The kinds of noise that the foundation learns from, each of them what some task asks of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from meddiff_core.diffusion.schedule import NoiseSchedule
from meddiff_core.physics.noise_spectrum import CODE_LENGTH, NoiseSpectrum


@dataclass
class NoisyPatches:
    """Patches with noise on them, and what the network should answer.

    Args:
        noisy: what the network sees, `(B, 1, X, Y, Z)`.
        target: what it should predict there.
        timesteps: `(B,)` long.
        noise_code: `(B, CODE_LENGTH)`, see `NoiseSpectrum.code`; zeros for white noise.
        weight: of each voxel in the loss, `(B, 1, X, Y, Z)`.
        told: 1 where the network is told the anatomy, 0 where it is not, `(B, 1, X, Y, Z)`.
    """

    noisy: torch.Tensor
    target: torch.Tensor
    timesteps: torch.Tensor
    noise_code: torch.Tensor
    weight: torch.Tensor
    told: torch.Tensor


class WhiteNoise:
    """Independent Gaussian noise in every voxel, as diffusion defines it: what sampling asks for.

    Args:
        share: of the patches that get this kind, relative to the other kinds.
        timesteps: first and last timestep.
        power: timesteps are even in `t ** power`; 0.5 draws small t more often than large ones, because the
            noise of real scans, 10 to 50 HU, is that of t = 5 to 90 in the HU windows of the regions.
        drop_anatomy: how often the anatomy becomes the null label; 0.1 as in the paper.
    """

    def __init__(
        self,
        share: float = 1.0,
        timesteps: Sequence[int] = (0, 999),
        power: float = 1.0,
        drop_anatomy: float = 0.1,
    ) -> None:
        self.share = share
        self.first, self.last = timesteps
        self.power = power
        self.drop_anatomy = drop_anatomy

    def __call__(self, schedule: NoiseSchedule, images: torch.Tensor, min_timestep: int = 0) -> NoisyPatches:
        """Put noise on clean patches `(B, 1, X, Y, Z)` in [-1, 1], at `min_timestep` or later."""
        timesteps = self.draw_timesteps(len(images), images.device, min_timestep)
        noise, code = self.draw_noise(images)
        return NoisyPatches(
            noisy=schedule.add_noise(images, noise, timesteps),
            target=schedule.target(images, noise, timesteps),
            timesteps=timesteps,
            noise_code=code,
            weight=torch.ones_like(images),
            told=torch.ones_like(images),
        )

    def draw_timesteps(self, n: int, device: torch.device, min_timestep: int = 0) -> torch.Tensor:
        """Random timesteps `(n,)` long, both ends included, none before `min_timestep`."""
        first = max(self.first, min_timestep)
        low, high = first**self.power, (self.last + 1) ** self.power
        t = (low + (high - low) * torch.rand(n, device=device, dtype=torch.float64)) ** (1 / self.power)
        return t.long().clamp(first, self.last)

    def draw_noise(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Noise of unit variance in the shape of the images, and its code."""
        return torch.randn_like(images), images.new_zeros(len(images), CODE_LENGTH)


class ColouredNoise(WhiteNoise):
    """Noise with the spectrum of a random scanner, which the network is told: what denoising asks for.

    The noise of a real scan is correlated by kernel and slice profile. The seed is torch's own.

    Args:
        share: see `WhiteNoise`, as the rest.
        timesteps: first and last timestep; the low range, where denoising starts.
    """

    def __init__(self, share: float = 1.0, timesteps: Sequence[int] = (1, 250), **options: float) -> None:
        super().__init__(share, timesteps, **options)

    def draw_noise(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Coloured noise of unit variance, and the code of its spectrum."""
        rng = np.random.default_rng(int(torch.randint(2**31, (1,))))
        spectra = [NoiseSpectrum.random(rng) for _ in images]
        shape = images.shape[2:]
        noise = torch.stack([spectrum.draw(shape) for spectrum in spectra])[:, None]
        codes = torch.stack([spectrum.code() for spectrum in spectra])
        return noise.to(images), codes.to(images)


class LocalNoise(WhiteNoise):
    """White noise within random balls only: what a place looks like, given its surroundings.

    Anomaly detection and inpainting ask that (pDDPM, arXiv 2303.03758). Outside the balls the network sees
    the clean image, and only the balls count in the loss.

    Args:
        share: see `WhiteNoise`, as the rest.
        timesteps: first and last timestep.
        radius: least radius of a ball in voxels, and the largest as a share of the patch's shortest side.
        balls: most balls in a patch.
        hide_anatomy: tell the network no anatomy within the balls, so that what it answers there comes from
            the surroundings alone.
    """

    def __init__(
        self,
        share: float = 1.0,
        timesteps: Sequence[int] = (300, 999),
        radius: tuple[float, float] = (3.0, 1 / 3),
        balls: int = 4,
        hide_anatomy: bool = False,
        **options: float,
    ) -> None:
        super().__init__(share, timesteps, **options)
        self.radius = radius
        self.balls = balls
        self.hide_anatomy = hide_anatomy

    def __call__(self, schedule: NoiseSchedule, images: torch.Tensor, min_timestep: int = 0) -> NoisyPatches:
        """Put noise into balls of clean patches `(B, 1, X, Y, Z)` in [-1, 1], at `min_timestep` or later."""
        patches = super().__call__(schedule, images, min_timestep)
        patches.weight = torch.stack([self.draw_balls(images.shape[2:]) for _ in images])[:, None].to(images)
        patches.noisy = torch.where(patches.weight > 0, patches.noisy, images)
        if self.hide_anatomy:
            patches.told = 1 - patches.weight
        patches.noise_code = NoiseSpectrum().code(local=True).to(images).expand(len(images), -1)
        return patches

    def draw_balls(self, shape: Sequence[int]) -> torch.Tensor:
        """One to `balls` balls as float32 `(X, Y, Z)` of 0 and 1; centres anywhere in the patch."""
        axes = [torch.arange(n).float() for n in shape]
        mask = torch.zeros(tuple(shape))
        low, high = math.log(self.radius[0]), math.log(self.radius[1] * min(shape))
        for _ in range(int(torch.randint(1, self.balls + 1, (1,)))):
            radius = math.exp(low + (high - low) * float(torch.rand(1)))
            x, y, z = (a - torch.rand(1) * (len(a) - 1) for a in axes)
            square = x[:, None, None] ** 2 + y[:, None] ** 2 + z**2
            mask[square <= radius**2] = 1.0
        return mask


class MeanStart(WhiteNoise):
    """The last timestep with the noise's own mean, zero, in place of a noisy image.

    Nothing of the image is left there, so the expected answer over all noise is asked for, from the
    conditions alone. Measured in super-resolution: an answer from drawn noise carries some of it, 0.2 to
    0.8 dB, which the average of several draws takes out.

    Args:
        share: see `WhiteNoise`, as the rest.
    """

    def __init__(self, share: float = 1.0, **options: float) -> None:
        super().__init__(share, timesteps=(999, 999), **options)

    def __call__(self, schedule: NoiseSchedule, images: torch.Tensor, min_timestep: int = 0) -> NoisyPatches:
        """Zero in place of clean patches `(B, 1, X, Y, Z)` in [-1, 1], which the target still holds."""
        patches = super().__call__(schedule, images, min_timestep)
        patches.noisy = torch.zeros_like(images)
        return patches
