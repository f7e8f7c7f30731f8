"""Load CT volumes, label maps and masks, and refuse in one sentence what is none."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path

import numpy as np
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from meddiff_core.conditions.hounsfield import why_not_hu
from meddiff_core.conditions.organ_volumes import warn_of_volumes
from meddiff_core.errors import InputError
from meddiff_core.transforms.grids import on_grid_of
from meddiff_core.transforms.label_names import label_names
from meddiff_core.transforms.label_values import MaskValue, check_mask_value
from meddiff_core.transforms.read_labels import read_labels, read_mask
from meddiff_core.transforms.read_volume import MIN_VOXELS, check_size, read_volume


class LoadCTd(MapTransform):
    """Load a CT from NIfTI, NRRD, MHA or a folder with one DICOM series.

    The result is a float32 MetaTensor `(1, X, Y, Z)` in HU on the file's own grid, with a RAS affine in mm.
    Its meta keeps `filename_or_obj`, the NIfTI form codes, and of a DICOM header what tells the body part.

    Args:
        keys: keys that hold paths, default "image".
        allow_missing_keys: leave out keys that are absent.
        min_slices: voxels that the shortest axis must have.

    Raises:
        InputError: missing, damaged, not 3-D, too thin, NaN or infinite, or not in HU, see `why_not_hu`; or a
            DICOM series that is not one, not CT, or fills no regular grid, see `find_series`.
    """

    def __init__(
        self,
        keys: KeysCollection = "image",
        allow_missing_keys: bool = False,
        min_slices: int = MIN_VOXELS,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.min_slices = min_slices

    def __call__(self, data: Mapping[Hashable, str | Path]) -> dict[Hashable, MetaTensor]:
        d = dict(data)
        for key in self.key_iterator(d):
            path = Path(d[key]).expanduser()
            if path.is_file() and (names := label_names(path)):
                listed = ", ".join(list(names.values())[:3])
                raise InputError(f"{path} is a label map ({listed}), not a CT: give the CT itself.")
            d[key] = read_volume(path)
            check_size(d[key].shape[1:], str(path), self.min_slices)
            _check_hu(d[key], path)
        return d


class LoadLabelsd(MapTransform):
    """Load label maps that lie on the grid of an image which is loaded already, see `read_labels`.

    The result is a float32 MetaTensor `(1, X, Y, Z)` of whole numbers, its axes ordered like the image's.
    Absent or None: left out.

    Args:
        keys: keys that hold paths, for example "anatomy".
        reference: key of the loaded image, default "image".
        check_volumes: warn of organs of an unlikely size. False for prepared data, checked before.

    Raises:
        InputError: missing, damaged, on another grid, or values that are no label ids.
    """

    def __init__(self, keys: KeysCollection, reference: str = "image", check_volumes: bool = True) -> None:
        super().__init__(keys, allow_missing_keys=True)
        self.reference = reference
        self.check_volumes = check_volumes

    def __call__(self, data: Mapping[Hashable, object]) -> dict[Hashable, object]:
        d = dict(data)
        for key in self.key_iterator(data):
            if d[key] is None:
                del d[key]
                continue
            path = Path(d[key]).expanduser()
            name = f"The {key} map {path}"
            d[key] = on_grid_of(d[self.reference], self._read(path, name, str(key)), name)
        return d

    def _read(self, path: Path, name: str, key: str) -> MetaTensor:
        labels = read_labels(path, name)
        if self.check_volumes:
            warn_of_volumes(labels.numpy()[0], labels.affine.numpy(), name)
        return labels


class LoadMasksd(LoadLabelsd):
    """Load masks on the grid of an image that is loaded already: 1 within, 0 outside, see `mask_of`.

    Args:
        keys: keys that hold paths, for example "organ" or "lesion". Absent or None: left out.
        reference: key of the loaded image, default "image".
        value: which values of the masks count, see `MaskValue`.
        option: the option that sets it, for the sentence of a refusal; None is `<key>_value`.

    Raises:
        InputError: missing, damaged, on another grid, or several values where none is named.
    """

    def __init__(
        self,
        keys: KeysCollection,
        reference: str = "image",
        value: MaskValue = None,
        option: str | None = None,
    ) -> None:
        super().__init__(keys, reference)
        self.value = value
        self.option = option or f"{self.keys[0]}_value"
        check_mask_value(self.option, value)

    def _read(self, path: Path, name: str, key: str) -> MetaTensor:
        return read_mask(path, name, self.option, self.value)


def _check_hu(image: MetaTensor, path: Path) -> None:
    hu = image.numpy()[0]
    if not np.isfinite(hu).all():
        raise InputError(f"{path} holds NaN or infinite values: replace them, for example by -1024.")
    reason = why_not_hu(hu, str(path))
    if reason:
        raise InputError(reason)
