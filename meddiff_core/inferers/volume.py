"""What every inferer of whole volumes shares: region, conditions, windows, progress."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from monai.inferers import Inferer
from tqdm import tqdm

from meddiff_core.conditions.position import coordinate_axis
from meddiff_core.conditions.regions import HUWindow, region_id, region_window
from meddiff_core.diffusion.sample import Solver, sample
from meddiff_core.diffusion.schedule import NoiseSchedule
from meddiff_core.errors import InputError
from meddiff_core.inferers.precision import check_precision
from meddiff_core.inferers.windowed import Network, WindowedDenoiser

logger = logging.getLogger("meddiff")


@dataclass(frozen=True)
class Volume:
    """An inferer's input, taken apart.

    Args:
        image: `(1, 1, X, Y, Z)` in [-1, 1] scale, float32.
        conditions: `(1, K, X, Y, Z)` anatomy label and control channels, or None.
        region: the region's name.
        meta: metadata of the input.
        axes: coordinates of the voxels of a crop in the whole volume, see `crop`; None for a whole one.
    """

    image: torch.Tensor
    conditions: torch.Tensor | None
    region: str
    meta: dict[str, Any]
    axes: tuple[torch.Tensor, ...] | None = None

    @property
    def spacing(self) -> list[float]:
        """Voxel size in mm; 1 where the input knows none."""
        affine = torch.as_tensor(self.meta.get("affine", torch.eye(4))).reshape(-1, 4, 4)[0]
        return affine[:3, :3].norm(dim=0).tolist()

    @property
    def window(self) -> HUWindow:
        """HU window of the region."""
        return region_window(self.region)

    @property
    def sample(self) -> int:
        """Which of several results of one input this is to be; adds to the seed."""
        value = self.meta.get("sample", 0)  # of a batch of one: a list or a tensor
        return int(value[0] if hasattr(value, "__getitem__") else value)

    def crop(self, box: Sequence[slice]) -> Volume:
        """The part in a box of voxels; it keeps its coordinates."""
        index = (slice(None), slice(None), *box)
        axes = self.axes or tuple(map(coordinate_axis, self.image.shape[2:]))
        return replace(
            self,
            image=self.image[index],
            conditions=None if self.conditions is None else self.conditions[index],
            axes=tuple(axis[along] for axis, along in zip(axes, box, strict=True)),
        )


class VolumeInferer(Inferer):
    """Base of the inferers of whole volumes, with MONAI's `inferer(inputs, network)`.

    Args:
        schedule: noise schedule, which knows what the network predicts.
        region: the region's name; `auto` takes it from `inputs.meta["region"]`, else the null class.
        roi_size: window in voxels.
        overlap: share of a window that neighbours share.
        window_batch: windows per call of the network.
        device: where the network lies; the volume stays where it is.
        precision: what the network runs in, see `network_autocast`.
        progress: show a bar.

    Raises:
        InputError: for an unknown region or an option outside its range.
    """

    def __init__(
        self,
        schedule: NoiseSchedule,
        region: str = "auto",
        roi_size: Sequence[int] | int = 192,
        overlap: float = 0.125,
        window_batch: int = 1,
        device: torch.device | str | None = None,
        precision: str = "auto",
        progress: bool = True,
    ) -> None:
        super().__init__()
        if region != "auto":
            region_id(region)
        check_number("overlap", overlap, "at least 0 and less than 1", lambda v: 0 <= v < 1)
        check_count("window_batch", window_batch)
        self.schedule = schedule
        self.region = region
        self.roi_size = roi_size
        self.overlap = overlap
        self.window_batch = window_batch
        self.device = device
        self.precision = check_precision(precision)
        self.progress = progress

    def take_apart(self, inputs: torch.Tensor) -> Volume:
        """Split `(1, C, X, Y, Z)`: channel 0 is the image, the others are conditions."""
        meta = dict(getattr(inputs, "meta", {}))
        region = self.region if self.region != "auto" else meta.get("region", "unknown")
        if not isinstance(region, str):  # collated: one per item of the batch
            region = region[0]
        plain = torch.as_tensor(inputs).as_subclass(torch.Tensor).float()
        conditions = plain[:, 1:] if plain.shape[1] > 1 else None
        return Volume(plain[:, :1], conditions, region, meta)

    @contextmanager
    def denoiser(
        self, network: Network, volume: Volume, evaluations: int, guidance_scale: float = 1.0
    ) -> Iterator[WindowedDenoiser]:
        """A `WindowedDenoiser` with a bar over `evaluations` of it; says beforehand how many windows."""
        denoiser = WindowedDenoiser(
            network,
            volume.image.shape[2:],
            region_id(volume.region),
            volume.conditions,
            self.roi_size,
            self.overlap,
            self.window_batch,
            self.device,
            self.precision,
            guidance_scale,
            axes=volume.axes,
        )
        windows = len(denoiser.windows)
        size = "x".join(str(n) for n in denoiser.roi_size)
        logger.info(
            "%d window(s) of %s voxels x %d step(s), %s window.", windows, size, evaluations, volume.region
        )
        with tqdm(total=windows * evaluations, unit="window", disable=None if self.progress else True) as bar:
            denoiser.on_windows = bar.update
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
        with self.denoiser(network, volume, len(timesteps), guidance_scale) as denoiser:
            return sample(denoiser, x, timesteps, self.schedule, solver, correct)


def check_number(name: str, value: Any, wanted: str, valid: Callable[[Any], bool]) -> None:
    """Raise `InputError` naming the option, unless `value` is a finite number for which `valid` holds."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not is_number or not valid(value):
        raise InputError(f"{name} is {value!r}: use {wanted}.")


def check_count(name: str, value: Any, least: int = 1, most: float = math.inf) -> None:
    """Raise `InputError` naming the option, unless `value` is a whole number from `least` to `most`."""
    wanted = f"a whole number of at least {least}" + (f" and at most {most}" if most < math.inf else "")
    check_number(name, value, wanted, lambda v: least <= v <= most and v == int(v))
