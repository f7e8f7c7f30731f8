"""The foundation with a ControlNet: what it learned stays, a new condition steers it."""

from __future__ import annotations

from typing import Any

import torch
from monai.networks.nets import ControlNet
from torch import nn

from meddiff_core.conditions.channels import CONTROL
from meddiff_core.networks.condition_stem import cells_of
from meddiff_core.networks.ct_denoiser import CTDenoiser
from meddiff_core.networks.detail_control import DetailControl

# One stage and no stride: the condition lies on the image's own grid (MedDiff-FM, "ControlNet"; MONAI's
# default makes it eight times smaller, for latent space).
_EMBEDDING_CHANNELS = (16,)

_CONTROL_BYTES = {torch.float32: 600, torch.bfloat16: 250, torch.float16: 250}
"""Per voxel of a window, what the trained part holds for the foundation; measured as the foundation's."""


class ControlledDenoiser(nn.Module):
    """A frozen `CTDenoiser` steered by further channels of its input (ControlNet, arXiv 2302.05543).

    The trained part is a copy of the U-Net's encoder (MONAI's `ControlNet`) and, in the compact variant, of
    the full-resolution stream. All that it adds to the foundation goes through layers that start at zero, so
    a fresh one predicts what the foundation predicts, bit for bit.

    Args:
        foundation: the denoiser; its weights are copied here and again by `copy_foundation`.
        control_channels: K, channels of the condition.
        freeze: keep the foundation's weights; False trains all, the paper's comparison "from scratch".
    """

    def __init__(self, foundation: CTDenoiser, control_channels: int = 1, freeze: bool = True) -> None:
        super().__init__()
        self.foundation = foundation
        self.divisor = foundation.divisor
        self.activation_bytes = {
            dtype: n + _CONTROL_BYTES[dtype] for dtype, n in foundation.activation_bytes.items()
        }
        self.control = ControlBranch(foundation, control_channels)
        if freeze:
            foundation.requires_grad_(False)

    def copy_foundation(self) -> None:
        """Start the trained part anew from the foundation's present weights."""
        self.control.copy_from(self.foundation)

    def forward(
        self,
        x: torch.Tensor,
        timesteps: torch.Tensor | None = None,
        class_labels: torch.Tensor | None = None,
        noise_code: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Predict eps or v, `(B, 1, X, Y, Z)`, from `(B, 5 + K, X, Y, Z)`; see `CTDenoiser`.

        Channels that are not there count as zero, so that the foundation's own input is legal.
        """
        missing = CONTROL.start + self.control.channels - x.shape[1]
        if missing > 0:
            x = torch.cat([x, x.new_zeros(x.shape[0], missing, *x.shape[2:])], dim=1)
        return self.foundation(x, timesteps, class_labels, noise_code, control=self.control)


class ControlBranch(nn.Module):
    """The trained part of a `ControlledDenoiser`; a bundle's `models/model.pt` holds this alone.

    Args:
        foundation: the denoiser to copy.
        channels: K, channels of the condition.
    """

    def __init__(self, foundation: CTDenoiser, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.factor = foundation.factor
        self.unet = ControlNet(
            **foundation.encoder_options,
            conditioning_embedding_in_channels=channels * self.factor**3,
            conditioning_embedding_num_channels=_EMBEDDING_CHANNELS,
        )
        self.detail = None if foundation.detail is None else DetailControl(foundation.detail, channels)
        self.copy_from(foundation)

    def copy_from(self, foundation: CTDenoiser) -> None:
        """Take over the weights that this branch shares with the foundation."""
        # not strict: the branch has layers of its own, and lacks the decoder and the last convolution
        self.unet.load_state_dict(foundation.unet.state_dict(), strict=False)
        if self.detail is not None:
            self.detail.stream.load_state_dict(foundation.detail.state_dict(), strict=False)

    def unet_residuals(
        self,
        features: torch.Tensor,
        control: torch.Tensor,
        timesteps: torch.Tensor,
        class_labels: torch.Tensor,
    ) -> dict[str, Any]:
        """What to add in the U-Net, which sees `features`, for the condition `control` `(B, K, X, Y, Z)`."""
        down, mid = self.unet(features, timesteps, cells_of(control, self.factor), class_labels=class_labels)
        return {
            "down_block_additional_residuals": tuple(down),
            "mid_block_additional_residual": mid,
        }

    def detail_residuals(self, control: torch.Tensor, *inputs: torch.Tensor) -> dict[str, Any]:
        """What to add in the full-resolution stream, whose inputs are `inputs`."""
        residuals, output = self.detail(control, *inputs)
        return {"residuals": residuals, "output": output}
