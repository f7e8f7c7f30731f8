"""Thick slices to thin ones with the foundation and a ControlNet (MedDiff-FM, eq. 12; DiffPIR)."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import torch
from monai.data import MetaTensor

from meddiff_core.diffusion.data_terms import SlabDataTerm
from meddiff_core.diffusion.ddim import DDIM
from meddiff_core.diffusion.noise import noise_like
from meddiff_core.diffusion.schedule import NoiseSchedule
from meddiff_core.diffusion.timesteps import timestep_list
from meddiff_core.errors import check_count, check_number
from meddiff_core.inferers.volume import Volume
from meddiff_core.inferers.volume_inferer import VolumeInferer
from meddiff_core.inferers.windowed import Network
from meddiff_core.physics.slab_layout import SlabLayout


class SuperResolutionInferer(VolumeInferer):
    """Fills in the detail between thick slices; the ControlNet's condition is their interpolation.

    One step gives the answer of least error, from the mean of the noise (see `MeanStart`). More
    steps draw one possible image from noise, whose slab means a data step takes to the slices after each but
    the last. The result agrees with them exactly after `AgreeWithSlicesd`.

    Args:
        schedule: noise schedule, which knows what the network predicts.
        steps: network evaluations per window.
        fidelity: lambda of the data step, see `SlabDataTerm`; a lower one keeps closer to the slices. With
            one step there is no data step.
        seed: seed of the noise.
        options: region, windows and runtime, see `VolumeInferer`.

    Raises:
        InputError: for an option outside its range.
    """

    def __init__(
        self,
        schedule: NoiseSchedule,
        steps: int = 1,
        fidelity: float = 10.0,
        seed: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(schedule, **options)
        check_count("steps", steps)
        check_number("fidelity", fidelity, "a number of at least 0", lambda v: v >= 0)
        self.steps = int(steps)
        self.fidelity = fidelity
        self.seed = seed

    def __call__(self, inputs: torch.Tensor, network: Network, *args: Any, **kwargs: Any) -> MetaTensor:
        """Make thin slices.

        Args:
            inputs: `(1, 1, X, Y, Z)`: thick slices brought to the thin grid by `ThinSlicesd` and scaled to
                [-1, 1] by the region's window, not clipped. Its meta tells the slabs.
            network: a `ControlledDenoiser`, see `WindowedDenoiser`.

        Returns:
            `(1, 1, X, Y, Z)` in the scale of the inputs, beyond [-1, 1] where they lie outside the HU
            window of the region; its meta holds `region`.
        """
        volume = self.take_apart(inputs)
        volume = self.without_air(volume, x0=volume.image)
        result = self.whole_range(volume, partial(self._thin, network))
        return MetaTensor(result, meta=volume.meta | {"region": volume.region})

    def _thin(self, network: Network, volume: Volume) -> torch.Tensor:
        """The thin slices within the HU window of the volume's class, in [-1, 1]."""
        control = volume.image.clamp(-1, 1)  # as in training
        # the network was fine-tuned without anatomy: a map of the thin scan would give away what is asked for
        volume = replace(volume, conditions=torch.cat([torch.zeros_like(control), control], dim=1))
        slabs = SlabLayout.from_meta(volume.meta).means(control.shape[-1])
        data_term = SlabDataTerm(self.schedule, slabs, slabs.thick(control), self.fidelity)
        start = torch.zeros_like(control)
        if self.steps > 1:
            start = noise_like(control, torch.Generator().manual_seed(int(self.seed)))
        # even steps in log-SNR would spend half of them where nothing is decided yet
        timesteps = timestep_list(self.schedule, self.steps, spacing="linear")
        return self.sample(network, volume, start, timesteps, DDIM(self.schedule), data_term)
