"""What every inferer of whole volumes shares: region, conditions, windows, memory, progress."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch
from monai.inferers import Inferer
from tqdm import tqdm

from meddiff_core.conditions.regions import region_id
from meddiff_core.diffusion.sample import Solver, sample
from meddiff_core.diffusion.schedule import NoiseSchedule
from meddiff_core.distributed import rank
from meddiff_core.errors import InputError, check_count, check_flag, check_number
from meddiff_core.inferers.background import Background, air_level, content_of_scan
from meddiff_core.inferers.cost import Cost, Rehearsal
from meddiff_core.inferers.memory import Memory
from meddiff_core.inferers.precision import check_precision
from meddiff_core.inferers.volume import Volume
from meddiff_core.inferers.windowed import Network, WindowedDenoiser

logger = logging.getLogger("meddiff")

Denoiser = Callable[[torch.Tensor, int], torch.Tensor]


class VolumeInferer(Inferer):
    """Base of the inferers of whole volumes, with MONAI's `inferer(inputs, network)`.

    Args:
        schedule: noise schedule, which knows what the network predicts.
        region: the region's name; `auto` takes it from `inputs.meta["region"]`, else the null class.
        roi_size: largest window in voxels; `auto` is 96 on a CPU, where larger ones are slower per voxel, and
            as large as memory allows on a GPU.
        overlap: share of a window that neighbours share.
        window_batch: windows per call of the network.
        moving_windows: in all steps but the last, windows do not overlap and lie elsewhere each time: fewer
            windows, and no seam is made twice in the same place.
        skip_air: leave out windows that hold only air, and all else where the network is not needed.
        device: where the network lies; the volume stays where it is.
        precision: what the network runs in, see `network_autocast`.
        memory_limit: GB that a run may take on the device of the network; default what is free.
        split_windows: share the windows among the processes of `torch.distributed`.
        dry_run: only say what a run would take, from two measured windows; the result is meaningless.
        progress: show a bar.

    Raises:
        InputError: for an unknown region, an option outside its range, or too little memory.
    """

    def __init__(
        self,
        schedule: NoiseSchedule,
        region: str = "auto",
        roi_size: Sequence[int] | int | str = "auto",
        overlap: float = 0.125,
        window_batch: int = 1,
        moving_windows: bool = True,
        skip_air: bool = True,
        device: torch.device | str | None = None,
        precision: str = "auto",
        memory_limit: float | None = None,
        split_windows: bool = False,
        dry_run: bool = False,
        progress: bool = True,
    ) -> None:
        super().__init__()
        if region != "auto":
            region_id(region)
        _check_window(roi_size)
        check_number("overlap", overlap, "at least 0 and less than 1", lambda v: 0 <= v < 1)
        check_count("window_batch", window_batch)
        if memory_limit is not None:
            check_number("memory_limit", memory_limit, "a number of GB above 0", lambda v: v > 0)
        self.schedule = schedule
        self.region = region
        self.roi_size = roi_size
        self.overlap = overlap
        self.window_batch = int(window_batch)
        self.moving_windows = check_flag("moving_windows", moving_windows)
        self.skip_air = check_flag("skip_air", skip_air)
        self.device = device
        self.precision = check_precision(precision)
        self.memory_limit = memory_limit
        self.split_windows = check_flag("split_windows", split_windows)
        self.rehearsal = Rehearsal() if check_flag("dry_run", dry_run) else None
        self.progress = progress and rank() == 0

    @property
    def gives_result(self) -> bool:
        """Whether what comes back is for use: not in a dry run; of processes that share windows, in one."""
        return self.rehearsal is None and not (self.split_windows and rank() > 0)

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
        if not self.skip_air:
            return volume
        hu = volume.window.to_hu(volume.image)[0, 0].cpu().numpy()
        content = content_of_scan(hu)
        if x0 is None:
            x0 = torch.tensor(volume.window.to_unit(air_level(hu, content))).clamp(-1, 1)
        return replace(volume, background=Background(content, x0, self.schedule))

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
        device = self.device or volume.image.device
        memory = Memory(
            network,
            device,
            volume.image,
            self.precision,
            self.window_batch,
            self.memory_limit,
            self.split_windows,
        )
        denoiser = WindowedDenoiser(
            network,
            volume.image.shape[2:],
            region_id(volume.region),
            volume.conditions,
            memory.window(self.roi_size),
            self.overlap,
            self.window_batch,
            device,
            self.precision,
            guidance_scale,
            axes=volume.axes,
            background=volume.background,
            moving=moving,
            split=self.split_windows,
        )
        cost = Cost.of(denoiser, evaluations)
        logger.info(
            "%s, about %.1f GB, %s window.", cost, memory.needed(denoiser.grid.roi_size) / 1e9, volume.region
        )
        if self.rehearsal is not None:
            yield self.rehearsal(denoiser, cost)
            return
        form = "{l_bar}{bar}| {n:.1f}/{total} steps [{elapsed}<{remaining}]"
        with tqdm(total=evaluations, bar_format=form, disable=None if self.progress else True) as bar:
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
        moving = len(timesteps) - 1 if self.moving_windows else 0
        with self.denoiser(network, volume, len(timesteps), guidance_scale, moving) as denoiser:
            if self.rehearsal is not None:
                return torch.zeros_like(x)
            return sample(denoiser, x, timesteps, self.schedule, solver, correct)


def _check_window(roi_size: Sequence[int] | int | str) -> None:
    if roi_size == "auto":
        return
    sizes = roi_size if isinstance(roi_size, list | tuple) else [roi_size]
    if isinstance(roi_size, list | tuple) and len(sizes) != 3:
        raise InputError(f"window_size is {roi_size!r}: use auto, one number of voxels, or three.")
    for size in sizes:
        check_count("window_size", size)
