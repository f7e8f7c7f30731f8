"""The denoising methods that ours is compared with, each at its best setting.

A peer prepares itself for a case (untimed) and returns a function without arguments that gives the denoised
block in HU (timed), and the setting it uses. Gaussian, TV and NLM are tuned by their PSNR against the clean
block, which no user could do; BM3D and BM4D get the true noise level, and where the noise is correlated its
true power spectrum.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from benchmarks.degraded import Degraded
from scipy import ndimage
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle

from meddiff_core.metrics.image_quality import psnr
from meddiff_core.physics.low_dose import spectrum_of

Prepared = tuple[Callable[[], np.ndarray], str]
_TUNING_BLOCK = (96, 96, 32)


def noisy(case: Degraded) -> Prepared:
    """The input itself."""
    return lambda: case.seen, ""


def gaussian(case: Degraded) -> Prepared:
    """Gaussian filter; standard deviation in voxels tuned in-plane and along z."""

    def denoise(case: Degraded, in_plane: float, along_z: float) -> np.ndarray:
        return ndimage.gaussian_filter(case.seen, (in_plane, in_plane, along_z))

    widths = (0, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.5)
    return _best(denoise, case, {"in_plane": widths[1:], "along_z": widths})


def tv(case: Degraded) -> Prepared:
    """Total variation (Chambolle); weight tuned, in noise standard deviations."""

    def denoise(case: Degraded, weight: float) -> np.ndarray:
        return denoise_tv_chambolle(case.seen, weight=weight * case.level, max_num_iter=100)

    return _best(denoise, case, {"weight": (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.3, 1.6)})


def nlm(case: Degraded) -> Prepared:
    """Non-local means in 3-D; patch, search distance and strength (in noise standard deviations) tuned."""

    def denoise(case: Degraded, h: float, patch: int, distance: int) -> np.ndarray:
        return denoise_nl_means(
            case.seen,
            patch_size=patch,
            patch_distance=distance,
            h=h * case.level,
            sigma=case.level,
            fast_mode=True,
        )

    strengths = (0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0)
    return _best(denoise, case, {"h": strengths, "patch": (3, 5), "distance": (1, 2, 3)})


def bm3d(case: Degraded) -> Prepared:
    """BM3D on each axial slice. Raises `ImportError` where the package is not installed."""
    from bm3d import bm3d as denoise

    _restore_trapz()
    scaled, noise, setting = _for_block_matching(case, case.scan.hu.shape[:2])

    def run() -> np.ndarray:
        slices = [denoise(scaled[..., z], noise) for z in range(scaled.shape[-1])]
        return _to_hu(np.stack(slices, axis=-1), case)

    return run, setting


def bm4d(case: Degraded) -> Prepared:
    """BM4D on the volume. Raises `ImportError` where the package is not installed."""
    from bm4d import bm4d as denoise

    _restore_trapz()
    scaled, noise, setting = _for_block_matching(case, case.scan.hu.shape)
    return lambda: _to_hu(denoise(scaled, noise), case), setting


PEERS: dict[str, Callable[[Degraded], Prepared]] = {
    peer.__name__: peer for peer in (noisy, gaussian, tv, nlm, bm3d, bm4d)
}


def _best(denoise: Callable[..., np.ndarray], case: Degraded, grid: dict[str, tuple]) -> Prepared:
    """`denoise` with the setting of the grid that is best on the central part of the case."""
    settings = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    part = _centre(case)
    best = max(
        settings, key=lambda setting: psnr(denoise(part, **setting), part.scan.hu, part.scan.hu_window)
    )
    return lambda: denoise(case, **best), ", ".join(f"{name}={value}" for name, value in best.items())


def _centre(case: Degraded) -> Degraded:
    cut = tuple(
        slice((n - min(n, size)) // 2, (n + min(n, size)) // 2)
        for n, size in zip(case.scan.hu.shape, _TUNING_BLOCK, strict=True)
    )
    return replace(case, scan=replace(case.scan, hu=case.scan.hu[cut]), seen=case.seen[cut])


def _for_block_matching(case: Degraded, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray | float, str]:
    """Input with the HU window at [0, 1], as BM3D's thresholds expect, and its noise level or spectrum."""
    scaled = (case.seen - case.scan.hu_window.lower) / case.scan.hu_window.width
    sigma = case.level / case.scan.hu_window.width
    if case.kind == "white":
        return scaled, sigma, "true sigma"
    spectrum = spectrum_of(case.kind, case.scan.spacing)
    if case.kind.startswith("correlated"):
        power, setting = spectrum.power(shape).numpy(), "true spectrum"
    else:  # sinogram noise differs from place to place; its slices are independent
        power, setting = spectrum.power(shape[:2]).numpy(), "mean spectrum"
        power = np.broadcast_to(power.reshape(*shape[:2], *[1] * (len(shape) - 2)), shape)
    return scaled, power * sigma**2 * np.prod(shape), setting


def _restore_trapz() -> None:
    """bm4d 4.2.5, which bm3d stands on, calls `np.trapz` for a spectrum; numpy 2.4 has dropped the name."""
    if not hasattr(np, "trapz"):
        np.trapz = np.trapezoid


def _to_hu(scaled: np.ndarray, case: Degraded) -> np.ndarray:
    return scaled * case.scan.hu_window.width + case.scan.hu_window.lower
