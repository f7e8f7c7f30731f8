"""CT to anomaly map with the foundation as it is: noised, taken back in one step, compared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from scipy import ndimage
from torch.nn import functional as F

from meddiff_core.conditions.body import ellipsoid
from meddiff_core.conditions.vocabulary import COARSE_OF
from meddiff_core.diffusion.noise import noise_like
from meddiff_core.diffusion.schedule import NoiseSchedule
from meddiff_core.errors import InputError, check_choice, check_count, check_number
from meddiff_core.inferers.known_part import KnownPart, content_of_mask
from meddiff_core.inferers.local_noise import SHIFTS, balls, on_coarser_grid
from meddiff_core.inferers.volume import Volume
from meddiff_core.inferers.volume_inferer import VolumeInferer
from meddiff_core.inferers.windowed import Network
from meddiff_core.physics.noise_spectrum import NoiseSpectrum

_AROUND_ORGAN = 3
"""Blocks of context."""

POLARITIES = ("bright", "dark", "both")
EXPECTATIONS = ("local", "global")

_BALL_MM = 8.0
"""Radius of the balls of noise: a lesion that fills a ball has no healthy tissue beside it to tell."""

_VOXEL_MM = 2.0
"""Least voxel size of the grid on which local noise is taken back."""


class AnomalyInferer(VolumeInferer):
    """Shows where an organ differs from what the model expects there (MedDiff-FM, "Anomaly detection").

    At t = 950 next to nothing is left of the image, so the clean image of one step is what is expected.
    With noise in balls alone, the surroundings clean (pDDPM, arXiv 2303.03758), that is what a place looks
    like, given its surroundings and their anatomy; no anatomy is told within the balls. With noise
    everywhere, as in the paper, it is what the conditions tell.

    Args:
        schedule: noise schedule, which knows what the network predicts.
        timestep: noise from which the network looks back, 950 as in the paper; several are averaged.
        expectation: `local` or `global`, where the noise goes: balls of 8 mm radius, or everywhere. A network
            for `local` has learned such noise (`LocalNoise`, on voxels of 2 mm).
        samples: noise draws to average, of `global`; the shifts of `local` overlap and are averaged.
        polarity: `bright` finds what is denser than expected, `dark` what is less dense, `both` either.
        erosion: mm that are taken off the organ's surface, where partial volume differs from anything.
        background: standard deviation in mm of a Gaussian whose mean of the difference is subtracted, because
            the network knows the contrast phase of a scan only roughly; 0 is none, which large lesions need.
        smoothing: standard deviation in mm of the Gaussian over what is left; 0 is none.
        seed: seed of the noise.
        options: region, windows and runtime, see `VolumeInferer`.

    Raises:
        InputError: for an option outside its range.
    """

    def __init__(
        self,
        schedule: NoiseSchedule,
        timestep: int | Sequence[int] = 950,
        expectation: str = "global",
        samples: int = 4,
        polarity: str = "bright",
        smoothing: float = 3.0,
        erosion: float = 2.0,
        background: float = 20.0,
        seed: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(schedule, **options)
        timesteps = list(timestep) if isinstance(timestep, list | tuple) else [timestep]
        for t in timesteps or [None]:
            check_count("timestep", t, 1, schedule.num_train_timesteps - 1)
        check_choice("expectation", expectation, EXPECTATIONS)
        check_count("samples", samples)
        check_choice("polarity", polarity, POLARITIES)
        check_number("smoothing", smoothing, "a number of mm of at least 0", lambda v: v >= 0)
        check_number("background", background, "a number of mm of at least 0", lambda v: v >= 0)
        check_number("erosion", erosion, "a number of mm of at least 0", lambda v: v >= 0)
        self.timestep = timestep
        self.timesteps = [int(t) for t in timesteps]
        self.expectation = expectation
        self.samples = int(samples)
        self.polarity = polarity
        self.smoothing = smoothing
        self.erosion = erosion
        self.background = background
        self.seed = seed

    def __call__(self, inputs: torch.Tensor, network: Network, *args: Any, **kwargs: Any) -> MetaTensor:
        """Map the anomalies.

        Args:
            inputs: `(1, 3, X, Y, Z)`: image scaled to [-1, 1] by the region's window, anatomy labels, organ
                mask.
            network: the denoiser, see `WindowedDenoiser`.

        Returns:
            `(1, 1, X, Y, Z)` in HU: how far the image departs from the expected one in the direction of
            `polarity`, 0 outside the organ; higher is more anomalous. Its meta holds `region`.
        """
        volume, organ = self._volume(inputs)
        difference = (volume.image - self._expected(network, volume, organ)) * (volume.hu_window.width / 2)
        difference = difference[0, 0].cpu().numpy()
        inner = self._eroded(organ, volume.spacing)
        if self.background:
            difference = difference - organ_mean(difference, inner, volume.spacing, self.background)
        smooth = organ_mean(difference, inner, volume.spacing, self.smoothing)
        score = {"bright": smooth, "dark": -smooth, "both": np.abs(smooth)}[self.polarity]
        result = torch.from_numpy(np.where(inner, score, 0.0)).float()
        return MetaTensor(result[None, None], meta=volume.meta | {"region": volume.region})

    def _volume(self, inputs: torch.Tensor) -> tuple[Volume, np.ndarray]:
        if inputs.shape[1] != 3:
            raise InputError(
                f"Anomaly detection got {inputs.shape[1]} channel(s): give image, anatomy and organ mask."
            )
        volume = self.take_apart(inputs[:, :2])
        # what lies outside the window cannot be expected, so it is compared at the window's edge
        image, organ = volume.image.clamp(-1, 1), torch.as_tensor(inputs)[0, 2].cpu().numpy() > 0
        return replace(volume, image=image), organ

    def _expected(self, network: Network, volume: Volume, organ: np.ndarray) -> torch.Tensor:
        """The mean clean image over all timesteps and draws, `(1, 1, X, Y, Z)` in [-1, 1]."""
        grid = volume if self.expectation == "global" else self._local_grid(volume)
        if self.windows.skip_air:
            # nothing beside the organ counts, and the network sees this much around it
            inside = F.interpolate(torch.as_tensor(organ)[None, None].float(), grid.image.shape[2:])
            content = content_of_mask(inside[0, 0].numpy() > 0, _AROUND_ORGAN)
            grid = replace(grid, known=KnownPart(content, grid.image, self.schedule))
        generator = torch.Generator().manual_seed(int(self.seed))
        total, weights = torch.zeros_like(grid.image), torch.zeros_like(grid.image)
        samples, places = (self.samples, 1) if self.expectation == "global" else (1, SHIFTS**3)
        draws = [t for t in self.timesteps for _ in range(samples)]
        with self.denoiser(network, grid, len(draws) * places) as denoiser:
            for t in draws:
                for ball, weight in self._places(grid):
                    noisy = self.schedule.add_noise(grid.image, noise_like(grid.image, generator), t)
                    noisy = torch.where(ball, noisy, grid.image)
                    v = denoiser(noisy, t, None if self.expectation == "global" else grid.conditions * ~ball)
                    total += weight * self.schedule.to_x0(v, noisy, t).clamp_(-1, 1)
                    weights += weight
        total /= weights
        return (
            total
            if grid.image is volume.image
            else F.interpolate(total, size=volume.image.shape[2:], mode="trilinear")
        )

    def _local_grid(self, volume: Volume) -> Volume:
        """The volume on voxels of 2 mm with coarse labels, as a network for local noise knows it."""
        grid = on_coarser_grid(volume, _VOXEL_MM)
        labels = torch.from_numpy(COARSE_OF[grid.conditions.cpu().numpy().astype(np.uint8)])
        code = NoiseSpectrum().code(local=True)
        return replace(grid, conditions=labels.to(grid.conditions), noise_code=code)

    def _places(self, grid: Volume) -> Iterable[tuple[torch.Tensor, torch.Tensor]]:
        """Where noise goes in one round over the whole volume, and how much the answer counts there."""
        device = grid.image.device
        if self.expectation == "global":
            return [(torch.tensor(True, device=device), torch.tensor(1.0, device=device))]
        places = balls(grid.image.shape[2:], grid.spacing, _BALL_MM)
        return ((ball.to(device), weight.to(device)) for ball, weight in places)

    def _eroded(self, organ: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
        """The organ without its surface; where that leaves nothing, the whole organ."""
        if self.erosion == 0:
            return organ
        inner = ndimage.binary_erosion(organ, ellipsoid(self.erosion, spacing), border_value=1)
        return inner if inner.any() else organ


def organ_mean(values: np.ndarray, organ: np.ndarray, spacing: Sequence[float], width: float) -> np.ndarray:
    """Gaussian mean over the organ's voxels alone (normalised convolution): nothing leaks in from beside it.

    Args:
        values: `(X, Y, Z)`.
        organ: bool `(X, Y, Z)`; 0 comes out elsewhere.
        spacing: voxel size in mm.
        width: standard deviation in mm; 0 is none.
    """
    sigma = [width / step for step in spacing]
    weight = ndimage.gaussian_filter(organ.astype(np.float32), sigma)
    total = ndimage.gaussian_filter(np.where(organ, values, 0.0).astype(np.float32), sigma)
    return np.divide(total, weight, out=np.zeros_like(total), where=organ & (weight > 0))
