"""Noise a CT to one timestep and let the network bring it back: what it knows of such an image."""

from __future__ import annotations

from typing import Any

import torch
from monai.data import MetaTensor

from meddiff_core.conditions.window_edge import join_at_window_edge
from meddiff_core.diffusion.dpm_solver import DPMSolver2M
from meddiff_core.diffusion.noise import noise_like
from meddiff_core.diffusion.schedule import NoiseSchedule
from meddiff_core.diffusion.timesteps import timestep_list
from meddiff_core.errors import check_count
from meddiff_core.inferers.volume_inferer import VolumeInferer
from meddiff_core.inferers.windowed import Network


class ReconstructionInferer(VolumeInferer):
    """Adds noise to a whole volume and removes it again with DPM-Solver++.

    DDIM in 10 steps from pure noise leaves 0.66 of the right deviation, DPM-Solver++(2M) 0.98.

    Args:
        schedule: noise schedule, which knows what the network predicts.
        timestep: how much noise, 0 to 999.
        steps: network evaluations per window on the way back; 1 gives the mean of what is possible.
        seed: seed of the noise, one field for the whole volume.
        options: region, windows and runtime, see `VolumeInferer`.

    Raises:
        InputError: for an option outside its range.
    """

    def __init__(
        self, schedule: NoiseSchedule, timestep: int = 300, steps: int = 1, seed: int = 0, **options: Any
    ) -> None:
        super().__init__(schedule, **options)
        check_count("timestep", timestep, 0, schedule.num_train_timesteps - 1)
        check_count("steps", steps)
        self.timestep = int(timestep)
        self.steps = int(steps)
        self.seed = seed

    def __call__(self, inputs: torch.Tensor, network: Network, *args: Any, **kwargs: Any) -> MetaTensor:
        """Reconstruct.

        Args:
            inputs: `(1, C, X, Y, Z)`: image in [-1, 1], then optional condition channels.
            network: the denoiser, see `WindowedDenoiser`.

        Returns:
            `(1, 1, X, Y, Z)` in the scale of the inputs, which are kept where they lie outside [-1, 1].
        """
        volume = self.without_air(self.take_apart(inputs))
        noise = noise_like(volume.image, torch.Generator().manual_seed(int(self.seed)))
        timesteps = timestep_list(self.schedule, self.steps, self.timestep)
        noisy = self.schedule.add_noise(volume.image.clamp(-1, 1), noise, timesteps[0])
        result = self.sample(network, volume, noisy, timesteps, DPMSolver2M(self.schedule))
        result = join_at_window_edge(result, torch.where(volume.image.abs() > 1, volume.image, result))
        return MetaTensor(result, meta=volume.meta | {"region": volume.region})
