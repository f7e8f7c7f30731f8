"""Structural similarity of volumes as a MONAI metric."""

from __future__ import annotations

import torch
from monai.metrics import CumulativeIterationMetric, do_metric_reduction

from meddiff_core.conditions.regions import HUWindow
from meddiff_core.metrics.image_quality import ssim


class VolumeSSIM(CumulativeIterationMetric):
    """3-D SSIM of images in [-1, 1], `(B, 1, X, Y, Z)`; settings as in `image_quality.ssim`.

    MONAI's `SSIMMetric` convolves with a full 11x11x11 kernel, which takes hours on a CT of usual size; the
    weights are separable.
    """

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        pairs = zip(y_pred.cpu().numpy(), y.cpu().numpy(), strict=True)
        unit = HUWindow(level=0.0, width=2.0)
        return torch.tensor([[ssim(prediction[0], reference[0], unit)] for prediction, reference in pairs])

    def aggregate(self) -> torch.Tensor:
        """Mean over all images."""
        return do_metric_reduction(self.get_buffer(), "mean")[0]
