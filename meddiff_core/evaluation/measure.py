"""PSNR and SSIM of CTs against a reference scan."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from monai.data import MetaTensor

from meddiff_core.commands import words_of
from meddiff_core.conditions.regions import region_window
from meddiff_core.metrics.image_quality import psnr, ssim
from meddiff_core.transforms.grids import on_grid_of
from meddiff_core.transforms.load import LoadCTd


def measure(reference: str, images: str | Sequence[str], region: str = "chest") -> None:
    """Print PSNR and SSIM of each image in the region's HU window.

    Args:
        reference: the clean CT.
        images: one or several CTs on its grid, in any order of axes, separated by commas.
        region: whose HU window counts: head_neck, chest or abdomen.

    Raises:
        InputError: a CT cannot be read, or lies on another grid than the reference.
    """
    window = region_window(region)
    clean = _load(reference)
    print(f"{'':40s}  PSNR dB   SSIM   (HU window {window.lower:.0f} to {window.upper:.0f})")
    for name in words_of(images):
        volume = on_grid_of(clean, _load(name), name, "the reference")
        pair = volume[0].numpy(), clean[0].numpy()
        print(f"{Path(name).name:40s}  {psnr(*pair, window):7.2f}  {ssim(*pair, window):.3f}")


def _load(path: str) -> MetaTensor:
    return LoadCTd("image")({"image": path})["image"]
