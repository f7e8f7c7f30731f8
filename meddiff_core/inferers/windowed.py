"""From a network of patches to a denoiser of volumes: noise averaging over windows (MedDiff-FM, eq. 7)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil

import torch
from monai.data.utils import compute_importance_map, dense_patch_slices
from monai.utils import ensure_tuple_rep
from torch.nn import functional as F

from meddiff_core.conditions.position import coordinate_axis
from meddiff_core.inferers.precision import network_autocast

Network = Callable[..., torch.Tensor]

ANATOMY_CHANNEL = 4
"""Of the network's input: the noisy image and three coordinates come first."""


class WindowedDenoiser:
    """A callable `(x_t, t) -> prediction` of a whole volume, averaged over overlapping windows.

    Averaging the network's output is the same as averaging eps, v or x0, as long as none is clamped in a
    window. The last window of an axis is shifted to end at the border, so every voxel is covered. Weights
    and window positions are computed once; a window's coordinates come from its slices.

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
        on_windows: called with the number of windows after each call of the network.
        axes: coordinates of the volume's voxels along X, Y and Z, for a crop of a larger one; default from -1
            at the first to +1 at the last.
    """

    def __init__(
        self,
        network: Network,
        spatial_shape: Sequence[int],
        region_id: int = 0,
        conditions: torch.Tensor | None = None,
        roi_size: Sequence[int] | int = 192,
        overlap: float = 0.125,
        window_batch: int = 1,
        device: torch.device | str | None = None,
        precision: str = "auto",
        guidance_scale: float = 1.0,
        on_windows: Callable[[int], None] | None = None,
        axes: Sequence[torch.Tensor] | None = None,
    ) -> None:
        if not 0 <= overlap < 1:
            raise ValueError(f"overlap is {overlap}: use at least 0 and less than 1.")
        self.network = network
        self.spatial_shape = tuple(spatial_shape)
        self.region_id = region_id
        self.window_batch = window_batch
        self.device = device
        self.precision = precision
        self.guidance_scale = guidance_scale
        self.on_windows = on_windows
        divisor = getattr(network, "divisor", 1)
        padded = [ceil(n / divisor) * divisor for n in self.spatial_shape]
        rois = [ceil(n / divisor) * divisor for n in ensure_tuple_rep(roi_size, 3)]
        self.roi_size = tuple(min(n, roi) for n, roi in zip(padded, rois, strict=True))
        self.padding = [0] * 6  # as torch wants it: last axis first, before and after
        self.padding[1::2] = [p - n for p, n in zip(padded[::-1], self.spatial_shape[::-1], strict=True)]
        strides = [max(1, int(roi * (1 - overlap))) for roi in self.roi_size]
        self.windows = dense_patch_slices(padded, self.roi_size, strides)
        self.conditions = None if conditions is None else self._pad(conditions)
        # a padded voxel continues the volume's own coordinates
        axes = [coordinate_axis(n) for n in self.spatial_shape] if axes is None else axes
        self.axes = [_continued(axis, p) for axis, p in zip(axes, padded, strict=True)]
        self.weight = compute_importance_map(self.roi_size, mode="gaussian", sigma_scale=0.125).float()
        self.total_weight = torch.zeros(padded)
        for window in self.windows:
            self.total_weight[window] += self.weight

    def __call__(self, x_t: torch.Tensor, t: int) -> torch.Tensor:
        """Prediction for `x_t` `(1, 1, X, Y, Z)` at timestep `t`, float32, on the device of `x_t`."""
        x_t = self._pad(x_t)
        total = torch.zeros(x_t.shape, dtype=torch.float32, device=x_t.device)
        weight = self.weight.to(x_t.device)
        for first in range(0, len(self.windows), self.window_batch):
            batch = self.windows[first : first + self.window_batch]
            for window, prediction in zip(batch, self._predict(x_t, t, batch), strict=True):
                total[(slice(None), slice(None), *window)] += weight * prediction.to(x_t.device)
            if self.on_windows is not None:
                self.on_windows(len(batch))
        total /= self.total_weight.to(x_t.device)
        return total[(slice(None), slice(None), *(slice(n) for n in self.spatial_shape))]

    def _predict(self, x_t: torch.Tensor, t: int, windows: Sequence[tuple[slice, ...]]) -> torch.Tensor:
        device = self.device or x_t.device
        inputs = torch.cat([self._input(x_t, window) for window in windows]).to(device)
        timesteps = torch.full((len(windows),), int(t), dtype=torch.long, device=device)
        labels = torch.full((len(windows),), self.region_id, dtype=torch.long, device=device)
        with torch.no_grad(), network_autocast(device, self.precision):
            prediction = self.network(inputs, timesteps=timesteps, class_labels=labels).float()
            if self.guidance_scale == 1:
                return prediction
            inputs[:, ANATOMY_CHANNEL] = 0
            unconditional = self.network(inputs, timesteps=timesteps, class_labels=labels * 0).float()
        return torch.lerp(unconditional, prediction, self.guidance_scale)

    def _input(self, x_t: torch.Tensor, window: tuple[slice, ...]) -> torch.Tensor:
        index = (slice(None), slice(None), *window)
        axes = [axis[part] for axis, part in zip(self.axes, window, strict=True)]
        coords = torch.stack(torch.meshgrid(*axes, indexing="ij"))[None].to(x_t.device)
        noisy = x_t[index].float()
        conditions = torch.zeros_like(noisy) if self.conditions is None else self.conditions[index]
        return torch.cat([noisy, coords, conditions.to(noisy)], dim=1)

    def _pad(self, x: torch.Tensor) -> torch.Tensor:
        return F.pad(x, self.padding, mode="replicate") if any(self.padding) else x


def _continued(axis: torch.Tensor, size: int) -> torch.Tensor:
    step = axis[1] - axis[0] if len(axis) > 1 else torch.zeros(())
    return axis[0] + step * torch.arange(size)
