"""Simulated low dose: white, correlated, or sinogram noise, added to a clean scan."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import fft

from meddiff_core.errors import InputError, check_choice
from meddiff_core.physics.noise_spectrum import NoiseSpectrum
from meddiff_core.physics.sinogram import sinogram_noise

_KERNELS = {"correlated": "standard", "correlated_smooth": "smooth", "correlated_sharp": "sharp"}
KINDS = ("white", *_KERNELS, "sinogram")


def white_noise(hu: np.ndarray, sigma_hu: float, seed: int) -> np.ndarray:
    """Add independent Gaussian noise to every voxel.

    Args:
        hu: scan `(X, Y, Z)` in HU.
        sigma_hu: standard deviation in HU.
        seed: same seed, same noise.
    """
    return hu + np.float32(sigma_hu) * _normal(hu.shape, seed)


def spectrum_of(kind: str, spacing: Sequence[float]) -> NoiseSpectrum:
    """The spectrum of a kind of noise; of sinogram noise the mean one in plane.

    Args:
        kind: one of `KINDS`.
        spacing: voxel size in mm.
    """
    return (
        NoiseSpectrum()
        if kind == "white"
        else NoiseSpectrum.of_scanner(spacing, _KERNELS.get(kind, "standard"))
    )


def correlated_noise(
    hu: np.ndarray,
    sigma_hu: float,
    spacing: tuple[float, float, float],
    seed: int,
    kernel: str = "standard",
) -> np.ndarray:
    """Add stationary Gaussian noise with the power spectrum of CT (`NoiseSpectrum.of_scanner`).

    Args:
        hu: scan `(X, Y, Z)` in HU, slices along the last axis.
        sigma_hu: standard deviation in HU; the noise is scaled to have exactly this.
        spacing: voxel size in mm.
        seed: same seed, same noise.
        kernel: of the reconstruction, see `NoiseSpectrum.of_scanner`.
    """
    power = NoiseSpectrum.of_scanner(spacing, kernel).power(hu.shape).numpy()
    amplitude = np.sqrt(power[..., : hu.shape[-1] // 2 + 1])
    noise = fft.irfftn(fft.rfftn(_normal(hu.shape, seed)) * amplitude, s=hu.shape)
    return hu + np.float32(sigma_hu / noise.std()) * noise


def simulate_low_dose(
    hu: np.ndarray, kind: str, noise_level: float, spacing: tuple[float, float, float], seed: int
) -> np.ndarray:
    """Low-dose version of a clean scan.

    Args:
        hu: scan `(X, Y, Z)` in HU, slices along the last axis.
        kind: `white`, `correlated` (also `correlated_smooth` and `correlated_sharp`, of other kernels) or
            `sinogram`.
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
    if kind in _KERNELS:
        return correlated_noise(hu, noise_level, spacing, seed, _KERNELS[kind])
    return sinogram_noise(hu, spacing, noise_level, seed)


def check_low_dose(kind: str, noise_level: float) -> None:
    """Raise `InputError` for an unknown `kind` of noise, or a `noise_level` that it cannot have."""
    check_choice("noise kind", kind, KINDS)
    if kind == "sinogram" and not 0 < noise_level < 1:
        raise InputError(
            f"Noise level {noise_level} is no dose fraction: for sinogram noise give a value between 0 and 1."
        )
    if noise_level < 0:
        raise InputError(f"Noise level {noise_level} HU is negative: give a standard deviation of 0 or more.")


def _normal(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
