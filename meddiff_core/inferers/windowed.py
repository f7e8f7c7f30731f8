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
from meddiff_core.conditions.position import coordinate_axis
from meddiff_core.inferers.background import Background
from meddiff_core.inferers.precision import network_autocast
from meddiff_core.inferers.window_grid import WindowGrid

Network = Callable[..., torch.Tensor]


class WindowedDenoiser:
    """A callable `(x_t, t) -> prediction` of a whole volume, averaged over overlapping windows.

    Averaging the network's output is the same as averaging eps, v or x0, as long as none is clamped in a
    window. Weights and window positions are computed once; a window's coordinates come from its slices.

    Args:
        network: `network(x, timesteps, class_labels)`; sides of its input are multiples of `network.divisor`
            where it has one.
        spatial_shape: `(X, Y, Z)` of the volume.
        region_id: class label of the volume, 0 is the null class.
        conditions: `(1, K, X, Y, Z)` anatomy label and further control channels; default the null label.
        roi_size: largest window; a volume that is smaller in an axis gets a window of its own size there.
        overlap: share of the window that neighbours share, in [0, 1).
        window_batch: windows per call of the network.
        device: where the network lies; volumes stay where they are. Default: the volume's.
        precision: what the network runs in, see `network_autocast`; averages are float32.
        guidance_scale: 1 is the conditional prediction, 0 the one with neither region nor anatomy; above 1
            goes beyond (classifier-free guidance). Other values than 1 cost a second evaluation.
        on_progress: called with the share of the evaluation that is done, after each call of the network.
        axes: coordinates of the volume's voxels along X, Y and Z, for a crop of a larger one; default from -1
            at the first to +1 at the last.
        background: where no window is needed, because the clean image is known there.
        moving: so many evaluations, from the first on, have windows that do not overlap and lie elsewhere in
            each: as many voxels as the volume has, and no border twice in the same place.
        split: share the windows among the processes of `torch.distributed`; all get the whole prediction.
    """

    def __init__(
        self,
        network: Network,
        spatial_shape: Sequence[int],
        region_id: int = 0,
        conditions: torch.Tensor | None = None,
        roi_size: Sequence[int] | int = 96,
        overlap: float = 0.125,
        window_batch: int = 1,
        device: torch.device | str | None = None,
        precision: str = "auto",
        guidance_scale: float = 1.0,
        on_progress: Callable[[float], None] | None = None,
        axes: Sequence[torch.Tensor] | None = None,
        background: Background | None = None,
        moving: int = 0,
        split: bool = False,
    ) -> None:
        self.network = network
        self.spatial_shape = tuple(spatial_shape)
        self.region_id = region_id
        self.window_batch = window_batch
        self.device = device
        self.precision = precision
        self.guidance_scale = guidance_scale
        self.on_progress = on_progress
        self.background = background
        self.moving = moving
        self.split = split
        content = None if background is None else background.content
        self.grid = WindowGrid(spatial_shape, roi_size, overlap, getattr(network, "divisor", 1), content)
        self.padding = [0] * 6  # as torch wants it: last axis first, before and after
        self.padding[1::2] = [
            p - n for p, n in zip(self.grid.padded[::-1], self.spatial_shape[::-1], strict=True)
        ]
        self.conditions = None if conditions is None else self._pad(conditions)
        # a padded voxel continues the volume's own coordinates
        axes = [coordinate_axis(n) for n in self.spatial_shape] if axes is None else axes
        self.axes = [_continued(axis, p) for axis, p in zip(axes, self.grid.padded, strict=True)]
        self._weight: torch.Tensor | None = None
        # its own, so that the user's seed decides the noise alone, and every process moves alike
        self._generator = torch.Generator().manual_seed(0)

    def __call__(self, x_t: torch.Tensor, t: int) -> torch.Tensor:
        """Prediction for `x_t` `(1, 1, X, Y, Z)` at timestep `t`, float32, on the device of `x_t`."""
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
        if self.split:
            distributed.all_reduce(total)
        covered = self._covered(windows, weight, x_t.device)
        if weight is not None:
            total /= covered.clamp_min(torch.finfo(covered.dtype).tiny)
        inside = tuple(slice(n) for n in self.spatial_shape)
        total = total[(..., *inside)]
        if self.background is not None:
            self.background.fill(total, x_t, t, covered[inside] == 0)
        return total

    def ahead(self, evaluations: int) -> Iterator[list[Box]]:
        """The windows of so many evaluations to come, which are not made."""
        generator = self._generator.clone_state()
        for number in range(evaluations):
            yield self.grid.moved(generator) if number < self.moving else self.grid.windows

    def _predictions(
        self, x_t: torch.Tensor, t: int, windows: Sequence[Box]
    ) -> Iterator[tuple[Sequence[Box], torch.Tensor]]:
        """This process's windows with their predictions `(B, 1, ...)`, batch by batch of equal shape."""
        if self.split:
            windows = windows[distributed.get_rank() :: distributed.get_world_size()]
        for _, group in groupby(sorted(windows, key=box_shape), key=box_shape):
            equal = list(group)
            for first in range(0, len(equal), self.window_batch):
                batch = equal[first : first + self.window_batch]
                yield batch, self.predict(x_t, t, batch)
                if self.on_progress is not None:
                    self.on_progress(len(batch) / len(windows))

    def predict(self, x_t: torch.Tensor, t: int, windows: Sequence[Box]) -> torch.Tensor:
        """The network's output for windows of equal shape of the padded `x_t`, `(B, 1, ...)` float32."""
        device = self.device or x_t.device
        inputs = self._inputs(x_t, windows).to(device)
        timesteps = torch.full((len(windows),), int(t), dtype=torch.long, device=device)
        labels = torch.full((len(windows),), self.region_id, dtype=torch.long, device=device)
        with torch.no_grad(), network_autocast(device, self.precision):
            prediction = self.network(inputs, timesteps=timesteps, class_labels=labels).float()
            if self.guidance_scale == 1:
                return prediction
            inputs[:, ANATOMY] = 0
            unconditional = self.network(inputs, timesteps=timesteps, class_labels=labels * 0).float()
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
