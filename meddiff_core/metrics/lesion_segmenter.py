"""Networks that find lesions in a CT, to tell whether a generated lesion is recognised as one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from monai.data import MetaTensor
from monai.inferers import sliding_window_inference
from monai.networks.nets import UNet
from monai.transforms import ResampleToMatch, Spacing

from meddiff_core.conditions.regions import region_window
from meddiff_core.errors import InputError
from meddiff_core.networks.weights import load_weights

GRID_MM = 2.0
"""Voxel size at which the small network works."""
PATCH = 64
"""Its window in voxels."""


class LesionSegmenter(Protocol):
    """`segment(hu, spacing) -> mask`: CT `(X, Y, Z)` in HU, RAS, and mm to bool `(X, Y, Z)`."""

    name: str

    def __call__(self, hu: np.ndarray, spacing: Sequence[float]) -> np.ndarray: ...


def lesion_segmenter(
    weights: str | Path | None = None,
    nnunet_model: str | Path | None = None,
    device: torch.device | str = "cpu",
) -> LesionSegmenter | None:
    """The segmenter that the options ask for, None where they ask for none.

    Args:
        weights: `segmenter.pt` of ct_lesion_generation's `segmenter.json`.
        nnunet_model: folder of a trained nnU-Net v2 model; takes precedence.
        device: where to run.

    Raises:
        InputError: the file or folder cannot be used, or nnU-Net is not installed.
    """
    if nnunet_model is not None:
        return NnUNetSegmenter(nnunet_model, device)
    return None if weights is None else SmallSegmenter(weights, device)


def segmenter_network() -> UNet:
    """The small network, 0.8 million parameters: `segmenter_input` to one logit."""
    return UNet(
        spatial_dims=3,
        in_channels=2,
        out_channels=1,
        channels=(16, 32, 48, 64, 80),
        strides=(2, 2, 2, 2),
        num_res_units=1,
    )


def segmenter_input(hu: torch.Tensor) -> torch.Tensor:
    """HU `(1, X, Y, Z)` to `(2, X, Y, Z)` in [-1, 1]: wide and soft-tissue window, whatever the region."""
    windows = [region_window(region) for region in ("chest", "abdomen")]
    return torch.cat([window.to_unit(hu.float()).clamp(-1, 1) for window in windows])


class SmallSegmenter:
    """The network that `segmenter.json` of ct_lesion_generation trains.

    Args:
        weights: its `segmenter.pt`.
        device: where to run.

    Raises:
        InputError: the file is missing, damaged, or from another network.
    """

    name = "small U-Net"

    def __init__(self, weights: str | Path, device: torch.device | str = "cpu") -> None:
        if not Path(weights).is_file():
            raise InputError(
                f"Segmenter {weights} does not exist: train one with segmenter.json of ct_lesion_generation."
            )
        self.network = load_weights(segmenter_network(), weights, device)
        self.device = device

    @torch.no_grad()
    def __call__(self, hu: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
        scan = MetaTensor(torch.from_numpy(np.asarray(hu, np.float32))[None], affine=np.diag([*spacing, 1.0]))
        coarse = Spacing(GRID_MM)(scan)
        logits = sliding_window_inference(
            segmenter_input(coarse.as_tensor())[None],
            roi_size=PATCH,
            sw_batch_size=1,
            predictor=self.network,
            overlap=0.5,
            mode="gaussian",
            padding_mode="replicate",  # as in training
            sw_device=self.device,
            device="cpu",
        )
        found = MetaTensor(logits[0], affine=coarse.affine)
        return ResampleToMatch(mode="bilinear", padding_mode="border")(found, scan)[0].numpy() > 0


class NnUNetSegmenter:
    """A trained nnU-Net v2 model (Isensee et al., 2021); every label but 0 is a lesion.

    Args:
        model: the folder with its `plans.json` and `fold_*`. Its checkpoints are pickles, which can run code:
            use those that you trust.
        device: where to run.

    Raises:
        InputError: nnU-Net is not installed, or the folder is none of its models.
    """

    name = "nnU-Net"

    def __init__(self, model: str | Path, device: torch.device | str = "cpu") -> None:
        try:
            from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
        except ImportError as error:
            raise InputError(
                f"nnunet_model {model} needs nnU-Net v2, which is not installed: pip install nnunetv2."
            ) from error
        folder = Path(model)
        folds = None if any(folder.glob("fold_[0-9]*")) else ("all",)
        self.predictor = nnUNetPredictor(device=torch.device(device), allow_tqdm=False)
        try:
            self.predictor.initialize_from_trained_model_folder(str(folder), use_folds=folds)
        except OSError as error:
            raise InputError(
                f"{model} is no trained nnU-Net v2 model: give the folder with plans.json and fold_0."
            ) from error

    def __call__(self, hu: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
        # nnU-Net orders axes as SimpleITK does: z, y, x
        image = np.ascontiguousarray(np.asarray(hu, np.float32).T[None])
        properties = {"spacing": [float(step) for step in spacing][::-1]}
        labels = self.predictor.predict_single_npy_array(image, properties, None, None, False)
        return np.asarray(labels).T > 0
