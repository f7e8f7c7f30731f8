"""Simulated low-dose CT as a transform of dictionaries."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from monai.utils import convert_data_type, convert_to_dst_type
from nibabel.affines import voxel_sizes

from meddiff_core.physics.low_dose import check_low_dose, simulate_low_dose


def item_seed(seed: int, name: str) -> int:
    """Seed of one item of a list: differs between names, the same on every machine and in every order."""
    return zlib.crc32(f"{seed}:{name}".encode())


class SimulateLowDosed(MapTransform):
    """Dictionary transform: replace a clean scan by its low-dose version and keep the clean one.

    The clean scan goes to `clean_<key>`. The noise depends on `seed` and the file's name only, so that an
    item gets the same noise in every run. Slices lie along the array axis nearest to the patient's z.

    Args:
        keys: scans `(C, X, Y, Z)` in HU. A `MetaTensor` gives voxel size, orientation and file name.
        kind: of noise, see `simulate_low_dose`.
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
        check_low_dose(kind, noise_level)
        self.kind, self.noise_level, self.seed = kind, noise_level, seed

    def __call__(self, data):
        item = dict(data)
        for key in self.key_iterator(item):
            item[f"clean_{key}"] = item[key]
            item[key] = self._simulate(item[key])
        return item

    def _simulate(self, image):
        affine, name = _geometry(image)
        spacing = voxel_sizes(affine)
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
