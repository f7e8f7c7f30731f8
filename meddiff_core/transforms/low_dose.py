"""Simulated low-dose CT: white, correlated, or sinogram noise, added to a clean scan."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from monai.utils import convert_data_type, convert_to_dst_type
from scipy import fft

from meddiff_core.errors import InputError
from meddiff_core.transforms.sinogram import apodisation, sinogram_noise

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
    _check(kind, noise_level)
    hu = np.asarray(hu, dtype=np.float32)
    if kind == "white":
        return white_noise(hu, noise_level, seed)
    if kind == "correlated":
        return correlated_noise(hu, noise_level, spacing, seed)
    return sinogram_noise(hu, spacing, noise_level, seed)


def item_seed(seed: int, name: str) -> int:
    """Seed of one item of a list: differs between names, the same on every machine and in every order."""
    return zlib.crc32(f"{seed}:{name}".encode())


class SimulateLowDosed(MapTransform):
    """Dictionary transform: replace a clean scan by its low-dose version and keep the clean one.

    The clean scan goes to `clean_<key>`. The noise depends on `seed` and the file's name only, so that an
    item gets the same noise in every run. Slices lie along the array axis nearest to the patient's z.

    Args:
        keys: scans `(C, X, Y, Z)` in HU. A `MetaTensor` gives voxel size, orientation and file name.
        kind: `white`, `correlated` or `sinogram`.
        noise_level: standard deviation in HU; for `sinogram` the fraction of the dose left, in (0, 1).
        seed: of the noise. Default 0.
        allow_missing_keys: skip keys that an item lacks. Default False.

    Raises:
        InputError: unknown `kind`, or a `noise_level` that it cannot have.
    """

    def __init__(
        self,
        keys: KeysCollection,
        kind: str,
        noise_level: float,
        seed: int = 0,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        _check(kind, noise_level)
        self.kind, self.noise_level, self.seed = kind, noise_level, seed

    def __call__(self, data):
        item = dict(data)
        for key in self.key_iterator(item):
            item[f"clean_{key}"] = item[key]
            item[key] = self._simulate(item[key])
        return item

    def _simulate(self, image):
        affine, name = _geometry(image)
        spacing = np.linalg.norm(affine[:3, :3], axis=0)
        slice_axis = int(np.argmax(np.abs(affine[2, :3]) / spacing))
        in_plane = [axis for axis in range(3) if axis != slice_axis]
        order = [*in_plane, slice_axis]
        noisy = [
            simulate_low_dose(
                channel.transpose(order), self.kind, self.noise_level, tuple(spacing[order]), seed
            ).transpose(np.argsort(order))
            for channel, seed in _channels(image, self.seed, name)
        ]
        return convert_to_dst_type(np.stack(noisy), image, dtype=torch.float32)[0]


def _geometry(image) -> tuple[np.ndarray, str]:
    """Affine `(4, 4)` and file name of an image; identity and no name without meta data."""
    if not isinstance(image, MetaTensor):
        return np.eye(4), ""
    name = Path(str(image.meta.get("filename_or_obj", ""))).name
    return convert_data_type(image.affine, np.ndarray)[0], name


def _channels(image, seed: int, name: str):
    """Pairs of one channel `(X, Y, Z)` and its seed."""
    for index, channel in enumerate(convert_data_type(image, np.ndarray)[0]):
        yield channel, item_seed(seed + index, name)


def _normal(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def _check(kind: str, noise_level: float) -> None:
    if kind not in KINDS:
        raise InputError(f"Unknown noise kind {kind!r}: use one of {', '.join(KINDS)}.")
    if kind == "sinogram" and not 0 < noise_level < 1:
        raise InputError(
            f"Noise level {noise_level} is no dose fraction: for sinogram noise give a value between 0 and 1."
        )
    if noise_level < 0:
        raise InputError(f"Noise level {noise_level} HU is negative: give a standard deviation of 0 or more.")
