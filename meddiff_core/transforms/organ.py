"""The organ in which anomalies are sought, and the anatomy map without a trace of them."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping, Sequence

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from scipy import ndimage

from meddiff_core.conditions.body import body_mask
from meddiff_core.conditions.boxes import widened
from meddiff_core.conditions.closed_organ import BITE_MM, left_out
from meddiff_core.conditions.coarse import coarse_labels
from meddiff_core.conditions.vocabulary import BODY, COARSE_OF, LABELS, label_id, label_name
from meddiff_core.errors import InputError

logger = logging.getLogger("meddiff")

SOFT_TISSUE = ("body",)
"""The organ where none is named."""

_FAT, _LUNG, _BONE = (label_id(name) for name in ("fat", "lung", "bone"))
_COARSE_NAMES = ", ".join(name for label, name in LABELS.items() if label >= BODY)
# The dome of the diaphragm stands in the lungs like a large lesion, but rests on tissue over a larger area.
_MAX_REST_MM2 = 500.0
_UP_AND_DOWN = np.ones((1, 1, 3), dtype=bool)
_LISTED_LABELS = 12
_COMPACT = ("liver", "spleen", "kidney_left", "kidney_right", "brain")
_WORTH_A_LINE_ML = 0.5


class OrganMaskd(MapTransform):
    """The organ's mask `(1, X, Y, Z)`, and an anatomy map in which a lesion within the organ has its label.

    The map is a condition of the network: a tumour that it shows is expected by the network, and not found.
    Where no map is loaded, `coarse_labels` makes one; one of named organs alone gets the outline of the body.
    Runs after loading and `Orientationd` to RAS, while the image is in HU.

    Args:
        keys: the organ. A mask that is loaded there is the organ, else it is made from `names`. Holes of
            tissue in an organ with a name of its own, and bites in liver, spleen, kidneys and brain, are the
            organ's, see `left_out`.
        names: labels of the vocabulary, a sequence or separated by commas; they are joined. A coarse class
            stands for all labels of that class, too; `body`, which is the default, for all soft tissue with
            the fat. In a given mask the first name is the label; without a name the map stays as it is.
        image_key: the scan in HU, a MetaTensor `(1, X, Y, Z)`.
        anatomy_key: label map on its grid, optional; always there afterwards.

    Raises:
        InputError: an unknown name, a name that only an anatomy map can show, or an organ that is not there.
    """

    def __init__(
        self,
        keys: KeysCollection = "organ",
        names: str | Sequence[str] | None = None,
        image_key: str = "image",
        anatomy_key: str = "anatomy",
    ) -> None:
        super().__init__(keys, allow_missing_keys=True)
        self.names = organ_names(names)
        self.image_key = image_key
        self.anatomy_key = anatomy_key

    def __call__(self, data: Mapping[Hashable, MetaTensor]) -> dict[Hashable, MetaTensor]:
        d = dict(data)
        image, spacing = d[self.image_key], d[self.image_key].pixdim.tolist()
        for key in self.keys:
            anatomy = self._anatomy(d, mask_given=key in d)
            hu, ml = image.numpy()[0], np.prod(spacing) / 1000
            if key in d:
                name, organ, names = "the given mask", d[key].numpy()[0] > 0, self.names[:1]
                if self.names:
                    anatomy[organ] = label_id(self.names[0])
                elif (holes := left_out(organ, hu, spacing, bite=0).sum() * ml) > _WORTH_A_LINE_ML:
                    logger.warning(
                        "The organ mask has holes of tissue, %.1f ml. If they are lesions, name the organ by "
                        "organ, or their values, too, by organ_value.",
                        holes,
                    )
            else:
                names = self.names or SOFT_TISSUE
                name, organ = ", ".join(names), select_organ(anatomy, names, spacing)
            if not organ.any():
                raise InputError(_nothing_there(image.meta["filename_or_obj"], name, anatomy))
            added = _close(anatomy, organ, names, hu, spacing) * ml
            logger.info("Organ: %s, %.0f ml%s.", name, organ.sum() * ml, _closed(added))
            d[key], d[self.anatomy_key] = _like(image, organ), _like(image, anatomy)
        return d

    def _anatomy(self, data: Mapping[Hashable, MetaTensor], mask_given: bool) -> np.ndarray:
        """The item's map, completed, or one of coarse classes; uint8 `(X, Y, Z)`."""
        image = data[self.image_key]
        hu, spacing = image.numpy()[0], image.pixdim.tolist()
        if self.anatomy_key in data:
            anatomy = data[self.anatomy_key].numpy()[0].astype(np.uint8)
            if anatomy.max() < BODY:
                anatomy[(anatomy == 0) & body_mask(hu, spacing)] = BODY
            return anatomy
        named = [name for name in self.names if label_id(name) < BODY]
        if named and not mask_given:
            raise InputError(
                f"{image.meta['filename_or_obj']} has no anatomy map to show {named[0]}: give one by "
                f"anatomy, a mask by organ_mask, or use one of {_COARSE_NAMES}."
            )
        return coarse_labels(hu, spacing)


def _nothing_there(scan: str, name: str, anatomy: np.ndarray) -> str:
    present = [label_name(label) for label in np.unique(anatomy) if label]
    if not present:
        return f"{scan} shows no body: check the file, or give an anatomy map by anatomy."
    listed = ", ".join(present[:_LISTED_LABELS]) + (", ..." if len(present) > _LISTED_LABELS else "")
    return f"{scan} has no voxel of {name}: choose an organ that its anatomy map has ({listed})."


def organ_names(organ: str | Sequence[str] | None) -> tuple[str, ...]:
    """Names of an option, a sequence or separated by commas; `InputError` for one that is no organ."""
    if not isinstance(organ, list | tuple):
        organ = [] if organ is None else str(organ).split(",")
    names = tuple(str(name).strip() for name in organ)
    organ_labels(names)
    return names


def organ_labels(names: Sequence[str]) -> list[int]:
    """Ids that belong to an organ of these names, see `OrganMaskd`; `InputError` for an unknown name."""
    labels: list[int] = []
    for name in names:
        label = label_id(name)
        if label == 0:
            raise InputError(f"{name!r} is no organ: name a label such as liver, or {_COARSE_NAMES}.")
        labels += [label] if label < BODY else np.flatnonzero(label == COARSE_OF).tolist()
        labels += [_FAT] if label == BODY else []
    return labels


def select_organ(anatomy: np.ndarray, names: Sequence[str], spacing: Sequence[float]) -> np.ndarray:
    """Mask of an organ with the lesions in it, which get its label in `anatomy`.

    What an axial slice of a lung encloses and no other organ's name claims is taken for a lesion.

    Args:
        anatomy: uint8 `(X, Y, Z)`, axial slices along the last axis. Changed in place.
        names: see `OrganMaskd`.
        spacing: voxel size in mm.

    Returns:
        bool `(X, Y, Z)`.
    """
    organ = np.isin(anatomy, organ_labels(names))
    lungs = [label for name in names if COARSE_OF[label_id(name)] == _LUNG for label in organ_labels([name])]
    if lungs:
        _fill_lesions(anatomy, organ, np.isin(anatomy, lungs), spacing)
    if BODY in map(label_id, names):
        anatomy[organ & (anatomy == _FAT)] = BODY  # a lesion in the fat has the HU of other tissue
    return organ


def _close(
    anatomy: np.ndarray, organ: np.ndarray, names: Sequence[str], hu: np.ndarray, spacing: Sequence[float]
) -> int:
    """Add what the organs leave out and no other organ's name claims; returns how many voxels that is."""
    before, unnamed = organ.sum(), (anatomy == 0) | (anatomy >= BODY)
    for label in map(label_id, names):
        if label < BODY and COARSE_OF[label] not in (_BONE, _LUNG):
            bite = BITE_MM if label_name(label) in _COMPACT else 0
            added = left_out(anatomy == label, hu, spacing, bite) & unnamed
            anatomy[added], organ[added] = label, True
    return int(organ.sum() - before)


def _closed(ml: float) -> str:
    if ml < _WORTH_A_LINE_ML:
        return ""
    return f", of them {ml:.0f} ml in holes and in bites of up to {2 * BITE_MM:g} mm, which may be lesions"


def _fill_lesions(
    anatomy: np.ndarray, organ: np.ndarray, solid: np.ndarray, spacing: Sequence[float]
) -> None:
    """Add the holes of `solid` to `organ`, and to `anatomy` with the most common label around them."""
    filled = np.stack([ndimage.binary_fill_holes(solid[:, :, k]) for k in range(solid.shape[2])], axis=2)
    unnamed = (anatomy == 0) | (anatomy >= BODY)
    parts, _ = ndimage.label(filled & ~organ & unnamed)
    for part, box in enumerate(ndimage.find_objects(parts), start=1):
        box = widened(box, 1)
        hole = parts[box] == part
        rest = ndimage.binary_dilation(hole, _UP_AND_DOWN) & ~hole & ~solid[box]
        around = anatomy[box][ndimage.binary_dilation(hole) & solid[box]]
        if around.size and rest.sum() * spacing[0] * spacing[1] <= _MAX_REST_MM2:
            anatomy[box][hole] = np.bincount(around).argmax()
            organ[box][hole] = True


def _like(image: MetaTensor, array: np.ndarray) -> MetaTensor:
    """A float32 volume with the image's geometry and history."""
    tensor = torch.from_numpy(array.astype(np.float32))[None]
    return MetaTensor(tensor, meta=dict(image.meta), applied_operations=image.applied_operations)
