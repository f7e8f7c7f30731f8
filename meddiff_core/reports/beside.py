"""What stands beside a result, such as a picture, is no reason to lose the result or the scans after it."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, Orientation

from meddiff_core.transforms.results import Results

logger = logging.getLogger("meddiff")


class BesideResult(MapTransform, ABC):
    """Write `<stem>_<postfix><suffix>` beside a result; for postprocessing, after `Invertd`.

    A file that fails is a line in the log: the result stands without it.

    Args:
        keys: results, MetaTensors `(1, X, Y, Z)` with their `filename_or_obj`.
        volumes: names of the volumes for `write`, and their keys (None for the result); all on one grid.
        results: where to write.
        postfix: says what was done, in the file's name.
    """

    suffix: str

    def __init__(
        self, keys: KeysCollection, volumes: Mapping[str, str | None], results: Results, postfix: str
    ) -> None:
        super().__init__(keys)
        self.volumes = dict(volumes)
        self.results = results
        self.postfix = postfix

    def __call__(self, data: Mapping[Hashable, MetaTensor]) -> dict[Hashable, MetaTensor]:
        d = dict(data)
        for key in self.key_iterator(d):
            meta = d[key].meta
            path = self.results.path(meta, self.postfix, self.suffix)
            with beside_result(path):
                volumes = {name: d[key if k is None else k] for name, k in self.volumes.items()}
                self.write(path, meta, *in_ras(volumes))
        return d

    @abstractmethod
    def write(
        self, path: Path, meta: Mapping[str, Any], spacing: list[float], volumes: Mapping[str, np.ndarray]
    ) -> None:
        """Write the file.

        Args:
            path: of the file.
            meta: metadata of the result.
            spacing: voxel size in mm.
            volumes: by name, `(X, Y, Z)` in RAS.
        """


@contextmanager
def beside_result(path: Path) -> Iterator[None]:
    """Say that `path` was written when the block ends well, and in one line why not when it fails."""
    try:
        yield
    except Exception as error:  # of any kind: the result itself is whole
        logger.warning("%s is missing, the result is not: %s: %s", path, type(error).__name__, error)
    else:
        logger.info("Wrote %s", path)


def in_ras(volumes: Mapping[str, MetaTensor]) -> tuple[list[float], dict[str, np.ndarray]]:
    """Voxel size in mm and arrays `(X, Y, Z)` of volumes that must be on one grid."""
    to_ras = Orientation("RAS", labels=None)
    turned = {name: to_ras(volume) for name, volume in volumes.items()}
    shapes = {name: tuple(volume.shape[1:]) for name, volume in turned.items()}
    if len(set(shapes.values())) > 1:
        listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(f"A picture needs volumes on one grid, not {listed}: invert all of them.")
    spacing = next(iter(turned.values())).pixdim.tolist()
    return spacing, {name: volume.cpu().numpy()[0] for name, volume in turned.items()}
