"""PSNR and SSIM of CTs against a reference scan."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import fire
import numpy as np

from meddiff_core.conditions.regions import region_window
from meddiff_core.errors import InputError, show_sentences
from meddiff_core.metrics.image_quality import psnr, ssim
from meddiff_core.transforms.load import LoadCTd


def main(reference: str, images: str | Sequence[str], region: str = "chest") -> None:
    """Print PSNR and SSIM of each image in the region's HU window.

    Args:
        reference: the clean CT.
        images: one or several CTs on its grid, separated by commas.
        region: whose window counts: head_neck, chest or abdomen.
    """
    window = region_window(region)
    clean = _load(reference)
    print(f"{'':40s}  PSNR dB   SSIM   (window {window.lower:.0f} to {window.upper:.0f} HU)")
    for name in images.split(",") if isinstance(images, str) else images:
        volume = _load(name)
        if volume.shape != clean.shape:
            raise InputError(f"{name} has {volume.shape} voxels, the reference {clean.shape}: use one grid.")
        print(f"{Path(name).name:40s}  {psnr(volume, clean, window):7.2f}  {ssim(volume, clean, window):.3f}")


def _load(path: str) -> np.ndarray:
    return LoadCTd("image")({"image": path})["image"][0].numpy()


if __name__ == "__main__":
    show_sentences()
    fire.Fire(main)
