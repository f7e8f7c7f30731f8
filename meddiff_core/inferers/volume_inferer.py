"""What every inferer of whole volumes shares: region, conditions, windows, memory, progress."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from monai.inferers import Inferer

from meddiff_core.conditions.regions import FULL, region_id
from meddiff_core.conditions.window_edge import join_at_window_edge
from meddiff_core.diffusion.sample import Solver, sample
from meddiff_core.diffusion.schedule import NoiseSchedule
from meddiff_core.distributed import rank
from meddiff_core.inferers.cost import Cost, DryRun
from meddiff_core.inferers.known_part import KnownPart, air_level, content_of_scan
from meddiff_core.inferers.memory import Memory
from meddiff_core.inferers.progress import progress
from meddiff_core.inferers.volume import Volume
from meddiff_core.inferers.whole_range import outside_volume, place_window, seen_without_network
from meddiff_core.inferers.windowed import Network, WindowedDenoiser
from meddiff_core.inferers.windows import Runtime, Windows

logger = logging.getLogger("meddiff")

Denoiser = Callable[..., torch.Tensor]

_NO_OPTIONS = ("schedule", "spectrum", "adaptation", "windows", "runtime", "options")


class VolumeInferer(Inferer):
    """Base of the inferers of whole volumes, with MONAI's `inferer(inputs, network)`.

    Args:
        schedule: noise schedule, which knows what the network predicts.
        region: the region's name; `auto` takes it from `inputs.meta["region"]`, else the null class.
        windows: how the volume is cut; default `Windows()`.
        runtime: what the network runs on; default `Runtime()`.

    Raises:
        InputError: for an unknown region, or too little memory.
    """

    def __init__(
        self,
        schedule: NoiseSchedule,
        region: str = "auto",
        windows: Windows | None = None,
        runtime: Runtime | None = None,
    ) -> None:
        super().__init__()
        if region != "auto":
            region_id(region)
        self.schedule = schedule
        self.region = region
        self.windows = windows or Windows()
        self.runtime = runtime or Runtime()
        self.dry_run = DryRun() if self.runtime.dry_run else None

    @property
    def options(self) -> dict[str, Any]:
        """All options by the names that users type; the record of a result holds them."""
        kinds = [kind for kind in type(self).__mro__ if issubclass(kind, VolumeInferer)]
        own = [name for kind in kinds for name in inspect.signature(kind).parameters]
        chosen = {name: getattr(self, name) for name in own if name not in _NO_OPTIONS}
        for name in [name for name, value in chosen.items() if hasattr(value, "options")]:
            chosen |= chosen.pop(name).options
        return chosen | self.windows.options | self.runtime.options

    @property
    def gives_result(self) -> bool:
        """False in a dry run, and in processes that only help with the windows: nothing is written."""
        return self.dry_run is None and not (self.runtime.split_windows and rank() > 0)

    def take_apart(self, inputs: torch.Tensor) -> Volume:
        """Split `(1, C, X, Y, Z)`: channel 0 is the image, the others are conditions."""
        meta = dict(getattr(inputs, "meta", {}))
        region = self.region if self.region != "auto" else meta.get("region", "unknown")
        if not isinstance(region, str):  # collated: one per item of the batch
            region = region[0]
        plain = torch.as_tensor(inputs).as_subclass(torch.Tensor).float()
        conditions = plain[:, 1:] if plain.shape[1] > 1 else None
        return Volume(plain[:, :1], conditions, region, meta)

    def without_air(self, volume: Volume, x0: torch.Tensor | None = None) -> Volume:
        """The volume with its air marked as known: `x0` `(1, 1, X, Y, Z)`, or the level that the air has."""
        if not self.windows.skip_air:
            return volume
        hu = volume.hu_window.to_hu(volume.image)[0, 0].cpu().numpy()
        content = content_of_scan(hu)
        if x0 is None:
            x0 = torch.tensor(volume.hu_window.to_unit(air_level(hu, content)))
        return replace(volume, known=KnownPart(content, x0, self.schedule))

    def whole_range(
        self, volume: Volume, infer: Callable[[Volume], torch.Tensor], noise_level: float = 0.0
    ) -> torch.Tensor:
        """An inference in the HU window of the region, and where the scan lies outside it in that of `full`.

        Args:
            volume: in the HU window of its region, not clipped; where it is known, `known.x0` is not, either.
            infer: takes a volume in the scale of its class to the clean image there, `(1, 1, X, Y, Z)` in
                [-1, 1]; called for the region, and for `full` if anything lies outside.
            noise_level: standard deviation of the volume's noise in HU.

        Returns:
            The clean image in the scale of the region, beyond [-1, 1] where it lies outside the HU window.
        """
        inside = infer(volume)
        seen = inside if self.dry_run is None else seen_without_network(volume)
        noise = noise_level * 2.0 / volume.hu_window.width
        outer = outside_volume(volume, seen, self.schedule, noise)
        if outer is None:
            return inside
        outside = volume.hu_window.to_unit(outer.hu_window.to_hu(infer(outer)))
        return join_at_window_edge(inside, outside)

    @contextmanager
    def denoiser(
        self,
        network: Network,
        volume: Volume,
        evaluations: int,
        guidance_scale: float = 1.0,
        moving: int = 0,
    ) -> Iterator[Denoiser]:
        """A `WindowedDenoiser` with a bar over `evaluations` of it; says beforehand what it will take."""
        memory = Memory(network, volume.image, self.windows.batch, self.runtime)
        size = memory.window(self.windows.size)
        if volume.region == FULL:
            size = place_window(volume, size, self.windows.overlap, getattr(network, "divisor", 1))
        windows = replace(self.windows, size=size)
        denoiser = WindowedDenoiser(network, volume, windows, self.runtime, guidance_scale, moving)
        cost = Cost.of(denoiser, evaluations)
        logger.info(
            "%s, about %.1f GB, %s window.", cost, memory.needed(denoiser.grid.roi_size) / 1e9, volume.region
        )
        if self.dry_run is not None:
            yield self.dry_run(denoiser, cost)
            return
        with progress(evaluations, self.runtime.progress) as bar:
            denoiser.on_progress = bar.update
            yield denoiser

    def sample(
        self,
        network: Network,
        volume: Volume,
        x: torch.Tensor,
        timesteps: Sequence[int],
        solver: Solver,
        correct: Callable[[torch.Tensor, int], torch.Tensor] | None = None,
        guidance_scale: float = 1.0,
    ) -> torch.Tensor:
        """From `x` at `timesteps[0]` to the clean image, window by window."""
        moving = len(timesteps) - 1 if self.windows.moving else 0
        with self.denoiser(network, volume, len(timesteps), guidance_scale, moving) as denoiser:
            if self.dry_run is not None:
                return torch.zeros_like(x)
            return sample(denoiser, x, timesteps, self.schedule, solver, correct)
