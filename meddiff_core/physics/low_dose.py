"""Simulated low dose: white, correlated, or sinogram noise, added to a clean scan."""

from __future__ import annotations

import numpy as np
from scipy import fft

from meddiff_core.errors import InputError
from meddiff_core.physics.sinogram import apodisation, sinogram_noise

KINDS = ("white", "correlated", "sinogram")
# Standard deviation of a slice of 1.5 mm full width at half maximum; thin-slice protocols have 1 to 2 mm.
_SLICE_SIGMA_MM = 1.5 / 2.355


def white_noise(hu: np.ndarray, sigma_hu: float, seed: int) -> np.ndarray:
    """Add independent Gaussian noise to every voxel.

    Args:
        hu: scan `(X, Y, Z)` in HU.
        sigma_hu: standard deviation in HU.
        seed: same seed, same noise.
    """
    return hu + np.float32(sigma_hu) * _normal(hu.shape, seed)


def noise_power(shape: tuple[int, ...], spacing: tuple[float, ...]) -> np.ndarray:
    """Noise power spectrum of `correlated_noise` on a grid `(X, Y, Z)` or one slice `(X, Y)`, mean 1.

    In-plane it is what filtered backprojection makes of white projection noise: the ramp times the squared
    apodisation of the reconstruction kernel (Riederer, Pelc and Chesler, "The noise power spectrum in
    computed X-ray tomography", 1978). Along z it is the spectrum of a Gaussian slice profile of 1.5 mm.

    Args:
        shape: voxels per axis, in the layout of `fft.fftfreq`.
        spacing: voxel size in mm, as many as `shape`.
    """
    fx, fy, *fz = np.meshgrid(
        *(fft.fftfreq(n, d) for n, d in zip(shape, spacing, strict=True)), indexing="ij", sparse=True
    )
    radial = np.hypot(fx, fy)
    power = radial * apodisation(radial, max(spacing[:2])) ** 2
    if fz:
        power = power * np.exp(-((2 * np.pi * _SLICE_SIGMA_MM * fz[0]) ** 2))
    return (power / power.mean()).astype(np.float32)


def correlated_noise(
    hu: np.ndarray, sigma_hu: float, spacing: tuple[float, float, float], seed: int
) -> np.ndarray:
    """Add stationary Gaussian noise with the power spectrum of CT (`noise_power`).

    Args:
        hu: scan `(X, Y, Z)` in HU, slices along the last axis.
        sigma_hu: standard deviation in HU; the noise is scaled to have exactly this.
        spacing: voxel size in mm.
        seed: same seed, same noise.
    """
    amplitude = np.sqrt(noise_power(hu.shape, spacing)[..., : hu.shape[-1] // 2 + 1])
    noise = fft.irfftn(fft.rfftn(_normal(hu.shape, seed)) * amplitude, s=hu.shape)
    return hu + np.float32(sigma_hu / noise.std()) * noise


def simulate_low_dose(
    hu: np.ndarray, kind: str, noise_level: float, spacing: tuple[float, float, float], seed: int
) -> np.ndarray:
    """Low-dose version of a clean scan.

    Args:
        hu: scan `(X, Y, Z)` in HU, slices along the last axis.
        kind: `white`, `correlated` or `sinogram`.
        noise_level: standard deviation in HU; for `sinogram` the fraction of the dose left, in (0, 1).
        spacing: voxel size in mm.
        seed: same seed, same noise.

    Raises:
        InputError: unknown `kind`, or a `noise_level` that it cannot have.
    """
    check_low_dose(kind, noise_level)
    hu = np.asarray(hu, dtype=np.float32)
    if kind == "white":
        return white_noise(hu, noise_level, seed)
    if kind == "correlated":
        return correlated_noise(hu, noise_level, spacing, seed)
    return sinogram_noise(hu, spacing, noise_level, seed)


def check_low_dose(kind: str, noise_level: float) -> None:
    """Raise `InputError` for an unknown `kind` of noise, or a `noise_level` that it cannot have."""
    if kind not in KINDS:
        raise InputError(f"Unknown noise kind {kind!r}: use one of {', '.join(KINDS)}.")
    if kind == "sinogram" and not 0 < noise_level < 1:
        raise InputError(
            f"Noise level {noise_level} is no dose fraction: for sinogram noise give a value between 0 and 1."
        )
    if noise_level < 0:
        raise InputError(f"Noise level {noise_level} HU is negative: give a standard deviation of 0 or more.")


def _normal(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
