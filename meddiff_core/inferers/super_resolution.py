"""Thick slices to thin ones with the foundation and a ControlNet (MedDiff-FM, eq. 12; DiffPIR)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from monai.data import MetaTensor

from meddiff_core.diffusion.diffpir import DiffPIRStep
from meddiff_core.diffusion.schedule import NoiseSchedule
from meddiff_core.diffusion.slab_data_term import SlabDataTerm
from meddiff_core.diffusion.slab_layout import SlabLayout
from meddiff_core.diffusion.timesteps import timestep_list
from meddiff_core.inferers.volume import Volume, VolumeInferer, check_count, check_number
from meddiff_core.inferers.windowed import Network


class SuperResolutionInferer(VolumeInferer):
    """Fills in the detail between thick slices; the ControlNet's condition is their interpolation.

    One step gives the answer of least error; more steps draw one possible image, whose slab means a data step
    takes to the slices after each but the last. The result agrees with them exactly after `AgreeWithSlicesd`.

    Args:
        schedule: noise schedule, which knows what the network predicts.
        steps: network evaluations per window.
        fidelity: lambda of the data step, see `SlabDataTerm`; a lower one keeps closer to the slices. With
            one step there is no data step.
        zeta: share of the noise renewed in each step; 0.
        t_start: timestep to start from: pure noise from the last one (None), else the noised interpolation.
        seed: seed of the noise.
        options: region, windows, device and progress, see `VolumeInferer`.

    Raises:
        InputError: for an option outside its range.
    """

    def __init__(
        self,
        schedule: NoiseSchedule,
        steps: int = 1,
        fidelity: float = 10.0,
        zeta: float = 0.0,
        t_start: int | None = None,
        seed: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(schedule, **options)
        last = schedule.num_train_timesteps - 1
        t_start = last if t_start is None else t_start
        check_count("steps", steps)
        check_number("fidelity", fidelity, "a number of at least 0", lambda v: v >= 0)
        check_number("zeta", zeta, "a number from 0 to 1", lambda v: 0 <= v <= 1)
        check_count("t_start", t_start, 0, last)
        self.steps = int(steps)
        self.fidelity = fidelity
        self.zeta = zeta
        self.t_start = int(t_start)
        self.seed = seed

    def __call__(self, inputs: torch.Tensor, network: Network, *args: Any, **kwargs: Any) -> MetaTensor:
        """Make thin slices.

        Args:
            inputs: `(1, 1 + K, X, Y, Z)`: thick slices brought to the thin grid by `ThinSlicesd` and scaled
                to [-1, 1] by the region's window, not clipped; then optionally the anatomy label. Its meta
                tells the slabs.
            network: a `ControlledDenoiser`, see `WindowedDenoiser`.

        Returns:
            `(1, 1, X, Y, Z)` in [-1, 1]; its meta holds `region`.
        """
        volume, control = self._controlled(self.take_apart(inputs))
        slabs = SlabLayout.from_meta(volume.meta).means(control.shape[-1])
        data_term = SlabDataTerm(self.schedule, slabs, slabs.thick(control), self.fidelity)
        generator = torch.Generator().manual_seed(int(self.seed))
        noise = torch.randn(control.shape, generator=generator).to(control.device)
        from_noise = self.t_start == self.schedule.num_train_timesteps - 1
        if from_noise and self.steps == 1:
            noise = torch.zeros_like(noise)  # its mean: the average answer, see `MeanStartPrepareBatch`
        start = noise if from_noise else self.schedule.add_noise(control, noise, self.t_start)
        # from pure noise, even steps in log-SNR would spend half of them where nothing is decided yet
        spacing = "linear" if from_noise else "log_snr"
        timesteps = timestep_list(self.schedule, self.steps, self.t_start, spacing)
        solver = DiffPIRStep(self.schedule, self.zeta, generator)
        result = self.sample(network, volume, start, timesteps, solver, data_term)
        return MetaTensor(result, meta=volume.meta | {"region": volume.region})

    @staticmethod
    def _controlled(volume: Volume) -> tuple[Volume, torch.Tensor]:
        """The volume with its image, clipped as in training, as the control channel behind the anatomy."""
        control = volume.image.clamp(-1, 1)
        anatomy = torch.zeros_like(control) if volume.conditions is None else volume.conditions
        return replace(volume, conditions=torch.cat([anatomy, control], dim=1)), control
