"""Put a synthetic lesion into a training patch, on the fly."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, RandomizableTransform
from scipy import ndimage

from meddiff_core.transforms.lesion_pool import PooledLesion, read_lesion_pool
from meddiff_core.transforms.scans import PathLike

_TRIES = 50
# A voxel may host a lesion if the HU around it are those around the lesion, to within this.
_ALIKE_HU = 150.0
_AROUND_VOXELS = 5


class RandLesiond(RandomizableTransform, MapTransform):
    """Puts a lesion from a pool into an image, with its mask in the label.

    The lesions were made beforehand by `ct_lesion_inpainting`, so this takes milliseconds. One is drawn,
    turned and flipped in the axial plane, resampled to the patch's voxel size, and blended in where the
    tissue is like that around it in its own scan, or within a given organ. Where no such place is found, the
    item stays as it is.

    Args:
        keys: the CT in HU, before its HU are scaled, `(1, X, Y, Z)`.
        label_key: the label map on its grid; lesions that it shows are not covered. Default "label".
        pool: see `read_lesion_pool`.
        prob: how often an item gets a lesion. Default 0.5.
        label_value: of the lesion in the label map. Default 1.
        organ_key: mask of where lesions may lie, nonzero within; None (default) goes by the HU.
        feather: width in mm of the soft edge within a lesion. Default 1.5, as in inpainting.

    Raises:
        InputError: the pool holds no lesion.
    """

    def __init__(
        self,
        keys: KeysCollection,
        pool: PathLike | Sequence[Mapping[str, PathLike]],
        label_key: str = "label",
        prob: float = 0.5,
        label_value: int = 1,
        organ_key: str | None = None,
        feather: float = 1.5,
    ) -> None:
        MapTransform.__init__(self, keys)
        RandomizableTransform.__init__(self, prob)
        self.pool = read_lesion_pool(pool, feather)
        self.label_key = label_key
        self.label_value = label_value
        self.organ_key = organ_key

    def __call__(self, data: Mapping[Hashable, torch.Tensor]) -> dict[Hashable, torch.Tensor]:
        d = dict(data)
        self.randomize(None)
        if not self._do_transform:
            return d
        chosen = self.pool[self.R.randint(len(self.pool))]
        turns, flips = self.R.randint(4), self.R.rand(3) < 0.5
        for key in self.key_iterator(d):
            image, label = d[key], d[self.label_key]
            spacing = image.pixdim.tolist() if isinstance(image, MetaTensor) else chosen.spacing
            lesion = _turned(chosen.on_spacing(spacing), turns, flips)
            hu = torch.as_tensor(image).as_subclass(torch.Tensor)[0].numpy()
            free = torch.as_tensor(label).as_subclass(torch.Tensor)[0].numpy() != self.label_value
            place = self._place(hu, free, self._hosts(d, hu, lesion), lesion.weight)
            if place is None:
                continue
            made, marked = image.clone(), label.clone()
            weight = torch.from_numpy(lesion.weight.copy()).to(made)
            box = (0, *place)
            made[box] = torch.lerp(made[box], torch.from_numpy(lesion.hu.copy()).to(made), weight)
            marked[box] = torch.where(weight.to(marked.device) >= 0.5, self.label_value, marked[box])
            d[key], d[self.label_key] = made, marked
        return d

    def _hosts(
        self, data: Mapping[Hashable, torch.Tensor], hu: np.ndarray, lesion: PooledLesion
    ) -> np.ndarray:
        """Where the middle of a lesion may lie, bool `(X, Y, Z)`."""
        if self.organ_key is not None:
            return torch.as_tensor(data[self.organ_key]).as_subclass(torch.Tensor)[0].numpy() > 0
        return np.abs(ndimage.uniform_filter(hu, _AROUND_VOXELS) - lesion.host_hu) < _ALIKE_HU

    def _place(
        self, hu: np.ndarray, free: np.ndarray, hosts: np.ndarray, weight: np.ndarray
    ) -> tuple[slice, ...] | None:
        """A box for the lesion, all of it within the patch, mostly in its host and clear of others."""
        size = np.array(weight.shape)
        if (size > hu.shape).any():
            return None
        fits = tuple(slice(n // 2, total - n + n // 2 + 1) for n, total in zip(size, hu.shape, strict=True))
        centres = np.zeros_like(hosts)
        centres[fits] = hosts[fits]
        within = np.flatnonzero(centres)
        if not len(within):
            return None
        for centre in within[self.R.randint(len(within), size=_TRIES)]:
            start = np.array(np.unravel_index(centre, hu.shape)) - size // 2
            box = tuple(slice(a, a + n) for a, n in zip(start, size, strict=True))
            if free[box][weight > 0].all() and hosts[box][weight > 0].mean() > 0.8:
                return box
        return None


def _turned(lesion: PooledLesion, turns: int, flips: np.ndarray) -> PooledLesion:
    """The lesion after quarter turns in the axial plane, and flips along some axes."""
    axes = tuple(np.flatnonzero(flips))
    hu, weight = (np.flip(np.rot90(array, turns), axes) for array in (lesion.hu, lesion.weight))
    return PooledLesion(hu, weight, lesion.spacing, lesion.host_hu)
