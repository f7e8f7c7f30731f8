"""From a network of patches to a denoiser of volumes: noise averaging over windows (MedDiff-FM, eq. 7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

import torch
from monai.data.utils import compute_importance_map
from torch import distributed
from torch.nn import functional as F

from meddiff_core.conditions.boxes import Box, box_shape
from meddiff_core.conditions.channels import ANATOMY, CONDITIONS, NOISY, POSITION
from meddiff_core.conditions.regions import region_id
from meddiff_core.inferers.precision import network_autocast
from meddiff_core.inferers.volume import Volume
from meddiff_core.inferers.window_grid import WindowGrid
from meddiff_core.inferers.windows import Runtime, Windows

Network = Callable[..., torch.Tensor]


class WindowedDenoiser:
    """A callable `(x_t, t) -> prediction` of a whole volume, averaged over overlapping windows.

    Averaging the network's output is the same as averaging eps, v or x0, as long as none is clamped in a
    window. Weights and window positions are computed once; a window's coordinates come from its slices.

    Args:
        network: `network(x, timesteps, class_labels)`, and `noise_code` where the volume has one; sides of
            its input are multiples of `network.divisor` where it has one.
        volume: what is sampled: its shape, region, conditions, place, and the part that is known.
        windows: a volume that is smaller than their size in an axis gets a window of its own size there.
        runtime: device and precision of the network; averages are float32. Processes that share the windows
            all get the whole prediction.
        guidance_scale: 1 is the conditional prediction, 0 the one with neither region nor anatomy; above 1
            goes beyond (classifier-free guidance). Other values than 1 cost a second evaluation.
        moving: number of leading evaluations that use windows that do not overlap, at a new random place in
            each: as many voxels as the volume has, and no border twice in the same place.

    Attributes:
        on_progress: called with the share of the evaluation that is done, after each call of the network.
    """

    def __init__(
        self,
        network: Network,
        volume: Volume,
        windows: Windows,
        runtime: Runtime,
        guidance_scale: float = 1.0,
        moving: int = 0,
    ) -> None:
        self.network = network
        self.windows = windows
        self.runtime = runtime
        self.guidance_scale = guidance_scale
        self.moving = moving
        self.on_progress: Callable[[float], None] | None = None
        self.spatial_shape = tuple(volume.image.shape[2:])
        self.region_id = region_id(volume.region)
        self.known = volume.known
        self.noise_code = volume.noise_code
        content = None if self.known is None else self.known.content
        divisor = getattr(network, "divisor", 1)
        self.grid = WindowGrid(self.spatial_shape, windows.size, windows.overlap, divisor, content)
        self.padding = [0] * 6  # as torch wants it: last axis first, before and after
        self.padding[1::2] = [
            p - n for p, n in zip(self.grid.padded[::-1], self.spatial_shape[::-1], strict=True)
        ]
        self.conditions = None if volume.conditions is None else self._pad(volume.conditions)
        # a padded voxel continues the volume's own coordinates
        self.axes = [
            _continued(axis, p) for axis, p in zip(volume.coordinates, self.grid.padded, strict=True)
        ]
        self._weight: torch.Tensor | None = None
        # its own, so that the user's seed decides the noise alone, and every process moves alike
        self._generator = torch.Generator().manual_seed(0)

    def __call__(self, x_t: torch.Tensor, t: int, conditions: torch.Tensor | None = None) -> torch.Tensor:
        """Prediction for `x_t` `(1, 1, X, Y, Z)` at timestep `t`, float32, on the device of `x_t`.

        Args:
            x_t: noisy volume.
            t: its timestep.
            conditions: `(1, K, X, Y, Z)` in place of the volume's, from this call on.
        """
        if conditions is not None:
            self.conditions = self._pad(conditions)
        moved = self.moving > 0
        self.moving -= moved
        windows = self.grid.moved(self._generator) if moved else self.grid.windows
        weight = None if moved else self._importance().to(x_t.device)
        padded = self._pad(x_t)
        total = torch.zeros(padded.shape, dtype=torch.float32, device=x_t.device)
        for batch, predictions in self._predictions(padded, t, windows):
            for window, prediction in zip(batch, predictions, strict=True):
                if weight is None:
                    total[(..., *window)] = prediction.to(x_t.device)
                else:
                    total[(..., *window)] += weight * prediction.to(x_t.device)
        if self.runtime.split_windows:
            distributed.all_reduce(total)
        covered = self._covered(windows, weight, x_t.device)
        if weight is not None:
            total /= covered.clamp_min(torch.finfo(covered.dtype).tiny)
        inside = tuple(slice(n) for n in self.spatial_shape)
        total = total[(..., *inside)]
        if self.known is not None:
            self.known.fill(total, x_t, t, covered[inside] == 0)
        return total

    def ahead(self, evaluations: int) -> Iterator[list[Box]]:
        """Windows of the next `evaluations` calls, without making them."""
        generator = self._generator.clone_state()
        for number in range(evaluations):
            yield self.grid.moved(generator) if number < self.moving else self.grid.windows

    def _predictions(
        self, x_t: torch.Tensor, t: int, windows: Sequence[Box]
    ) -> Iterator[tuple[Sequence[Box], torch.Tensor]]:
        """This process's windows with their predictions `(B, 1, ...)`, batch by batch of equal shape."""
        if self.runtime.split_windows:
            windows = windows[distributed.get_rank() :: distributed.get_world_size()]
        for _, group in groupby(sorted(windows, key=box_shape), key=box_shape):
            equal = list(group)
            for first in range(0, len(equal), self.windows.batch):
                batch = equal[first : first + self.windows.batch]
                yield batch, self.predict(x_t, t, batch)
                if self.on_progress is not None:
                    self.on_progress(len(batch) / len(windows))

    def predict(self, x_t: torch.Tensor, t: int, windows: Sequence[Box]) -> torch.Tensor:
        """The network's output for windows of equal shape of the padded `x_t`, `(B, 1, ...)` float32."""
        device = self.runtime.device or x_t.device
        inputs = self._inputs(x_t, windows).to(device)
        timesteps = torch.full((len(windows),), int(t), dtype=torch.long, device=device)
        labels = torch.full((len(windows),), self.region_id, dtype=torch.long, device=device)
        known = {"timesteps": timesteps}
        if self.noise_code is not None:
            known["noise_code"] = self.noise_code.to(device).expand(len(windows), -1)
        with torch.no_grad(), network_autocast(device, self.runtime.precision):
            prediction = self.network(inputs, class_labels=labels, **known).float()
            if self.guidance_scale == 1:
                return prediction
            inputs[:, ANATOMY] = 0
            unconditional = self.network(inputs, class_labels=labels * 0, **known).float()
        return torch.lerp(unconditional, prediction, self.guidance_scale)

    def _inputs(self, x_t: torch.Tensor, windows: Sequence[Box]) -> torch.Tensor:
        channels = CONDITIONS.start + (1 if self.conditions is None else self.conditions.shape[1])
        inputs = torch.zeros(len(windows), channels, *box_shape(windows[0]), device=x_t.device)
        for one, window in zip(inputs, windows, strict=True):
            one[NOISY] = x_t[(0, 0, *window)]
            for k, (axis, part) in enumerate(zip(self.axes, window, strict=True)):
                one[POSITION][k] = axis[part].reshape([-1 if a == k else 1 for a in range(3)])
            if self.conditions is not None:
                one[CONDITIONS] = self.conditions[(0, slice(None), *window)]
        # the faster layout for convolutions over volumes, on CPU and GPU
        return inputs.contiguous(memory_format=torch.channels_last_3d)

    def _importance(self) -> torch.Tensor:
        if self._weight is None:
            roi = self.grid.roi_size if self.grid.windows else (1, 1, 1)
            self._weight = compute_importance_map(roi, mode="gaussian", sigma_scale=0.125).float()
            self._total_weight = torch.zeros(self.grid.padded)
            for window in self.grid.windows:
                self._total_weight[window] += self._weight
        return self._weight

    def _covered(
        self, windows: Sequence[Box], weight: torch.Tensor | None, device: torch.device
    ) -> torch.Tensor:
        """The weight of all windows in each voxel of the padded volume; 0 where none lies."""
        if weight is not None:
            return self._total_weight.to(device)
        covered = torch.zeros(self.grid.padded, dtype=torch.bool, device=device)
        for window in windows:
            covered[window] = True
        return covered

    def _pad(self, x: torch.Tensor) -> torch.Tensor:
        return F.pad(x, self.padding, mode="replicate") if any(self.padding) else x


def _continued(axis: torch.Tensor, size: int) -> torch.Tensor:
    step = axis[1] - axis[0] if len(axis) > 1 else torch.zeros(())
    return axis[0] + step * torch.arange(size)
