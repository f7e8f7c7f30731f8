"""Several results of one scan, told apart by a number."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from meddiff_core.errors import InputError
from meddiff_core.transforms.scans import PathLike, list_scans


def sample_items(
    image: PathLike | Sequence[PathLike],
    anatomy: PathLike | None = None,
    lesion: PathLike | None = None,
    samples: int = 1,
) -> list[dict[str, object]]:
    """Items of `list_scans`, each as often as results are to be made from it.

    Args:
        image: scans, see `list_scans`.
        anatomy: their label maps.
        lesion: their lesion masks.
        samples: results per scan.

    Returns:
        items with "sample" 0, 1, ... and its "number", a name that is empty where there is one sample only.

    Raises:
        InputError: something is missing, or there are no samples.
    """
    return numbered(list_scans(image, anatomy, lesion), samples)


def numbered(items: Sequence[Mapping[str, object]], samples: int) -> list[dict[str, object]]:
    """Each item `samples` times, with "sample" and "number" as of `sample_items`.

    Raises:
        InputError: there are no samples.
    """
    if isinstance(samples, bool) or not isinstance(samples, int) or samples < 1:
        raise InputError(f"samples is {samples!r}: use a whole number of at least 1.")
    numbers = [str(i + 1) for i in range(samples)] if samples > 1 else [""]
    return [{**item, "sample": i, "number": number} for item in items for i, number in enumerate(numbers)]


class NumberSamplesd(MapTransform):
    """Puts an item's `sample` and `number` into the metadata, where seeds and names of results come from.

    Args:
        keys: loaded images, MetaTensors. Items without a sample stay as they are.
    """

    def __init__(self, keys: KeysCollection = "image") -> None:
        super().__init__(keys)

    def __call__(self, data: Mapping[Hashable, MetaTensor]) -> dict[Hashable, MetaTensor]:
        for key in self.key_iterator(data):
            data[key].meta |= {name: data[name] for name in ("sample", "number") if name in data}
        return dict(data)
