"""The metrics of super-resolution after an evaluation, as a table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from meddiff_core.conditions.regions import FULL, HUWindow, region_window
from meddiff_core.errors import InputError
from meddiff_core.evaluation.markdown import number, table
from meddiff_core.evaluation.report import EvaluationReport, means
from meddiff_core.metrics.overshoot import overshoot
from meddiff_core.metrics.slice_quality import slice_psnr, slice_ssim
from meddiff_core.physics.slab_layout import SlabLayout
from meddiff_core.transforms.scans import scan_stem

_COLUMNS = {
    "psnr": ("PSNR", 2),
    "ssim": ("SSIM", 4),
    "psnr_input": ("input PSNR", 2),
    "ssim_input": ("input SSIM", 4),
    "psnr_all": ("PSNR, all HU", 2),
    "psnr_all_input": ("input PSNR, all HU", 2),
    "overshoot": ("overshoot", 4),
    "overshoot_real": ("overshoot, real", 4),
}


class SuperResolutionReport(EvaluationReport):
    """Writes `super_resolution.json` and `.md`, and puts the means into `engine.state.metrics`.

    Per volume: PSNR and SSIM of the slices in the region's HU window and PSNR over all HU, of the result and
    of the input (the smoothest volume with the slab means of the thick slices); the share of voxels of the
    result, and of the real thin slices, that `overshoot`.

    An item holds `pred`, the result in HU, `(1, X, Y, Z)` on the thin grid; `label`, the real thin slices,
    whose file names the volume; `image`, the input by `ThinSlicesd` and `ScaleHUd`; and `slices`, the thick
    ones.

    Args:
        output_dir: folder of the two files.
        drop_slices: thick slices at either end whose thin ones do not count; 1, because a method has
            neighbours on one side only there.

    Raises:
        InputError: `drop_slices` is no whole number of at least 0.
    """

    name = "super_resolution"

    def __init__(self, output_dir: str | Path, drop_slices: int = 1) -> None:
        super().__init__(output_dir)
        if isinstance(drop_slices, bool) or not isinstance(drop_slices, int) or drop_slices < 0:
            raise InputError(f"drop_slices is {drop_slices!r}: use a whole number of at least 0.")
        self.drop_slices = drop_slices

    def measure(self, item: Mapping) -> dict:
        """The numbers of one volume."""
        pred, label, image = (item[key] for key in ("pred", "label", "image"))
        hu_window, layout = region_window(str(image.meta["region"])), SlabLayout.from_meta(image.meta)
        name = scan_stem(label.meta["filename_or_obj"])
        inner = layout.within(image.shape[-1], self.drop_slices)
        if inner.stop <= inner.start:
            raise InputError(f"{name} has {layout.n_thick} thick slices: use fewer drop_slices.")
        result, real, smooth = (
            np.asarray(hu[0].cpu())[..., inner] for hu in (pred, label, hu_window.to_hu(image))
        )
        slabs, thick = layout.means(image.shape[-1]), _plain(item["slices"])
        shares = [
            float(overshoot(_plain(hu), thick, slabs)[..., inner].float().mean()) for hu in (pred, label)
        ]
        return {
            "volume": name,
            "region": str(image.meta["region"]),
            "thick_slices": "simulated" if image.meta["simulated"] else "real",
            "factor": layout.factor,
            "slices": inner.stop - inner.start,
            **slice_quality(result, real, hu_window),
            **{f"{key}_input": value for key, value in slice_quality(smooth, real, hu_window).items()},
            **dict(zip(("overshoot", "overshoot_real"), shares, strict=True)),
        }

    def result(self) -> dict:
        """Content of `super_resolution.json`."""
        rows = [{key: volume[key] for key in _COLUMNS} for volume in self.volumes]
        return {"drop_slices": self.drop_slices, "mean": means(rows), "volumes": self.volumes}

    def page(self, result: Mapping) -> str:
        """Table of `result`."""
        rows = [
            [
                volume["volume"],
                volume["region"],
                volume["thick_slices"],
                f"{volume['factor']:g}",
                str(volume["slices"]),
                *_numbers(volume),
            ]
            for volume in result["volumes"]
        ]
        header = ["volume", "region", "thick slices", "factor", "slices"]
        header += [name for name, _ in _COLUMNS.values()]
        mean = ["mean", "", "", "", "", *_numbers(result["mean"])]
        return (
            f"Super-resolution, {len(rows)} volume(s). PSNR (dB) and SSIM per axial slice, averaged, in the "
            f"region's HU window, and PSNR over all HU, without {result['drop_slices']} thick slice(s) at "
            "either end. The input is the smoothest volume with the slab means of the thick slices. "
            "Overshoot is the share of voxels outside the range of their 3 x 3 x 3 thick neighbours by "
            "more than 30 HU.\n\n"
            f"{table(header, [*rows, mean])}\n"
        )


def slice_quality(prediction: np.ndarray, reference: np.ndarray, hu_window: HUWindow) -> dict[str, float]:
    """`psnr` and `ssim` per slice in the window, and `psnr_all`, averaged; volumes `(X, Y, Z)` in HU."""
    return {
        "psnr_all": slice_psnr(prediction, reference, region_window(FULL)),
        "psnr": slice_psnr(prediction, reference, hu_window),
        "ssim": slice_ssim(prediction, reference, hu_window),
    }


def _plain(volume: torch.Tensor) -> torch.Tensor:
    return torch.as_tensor(volume).as_subclass(torch.Tensor).cpu().float()


def _numbers(row: Mapping[str, float]) -> list[str]:
    return [number(row.get(key), digits) for key, (_, digits) in _COLUMNS.items()]
