"""The picture beside a result: volumes of one grid, given to a function that draws them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from monai.config import KeysCollection

from meddiff_core.conditions.regions import region_window
from meddiff_core.reports.beside import BesideResult
from meddiff_core.transforms.results import Results


class SavePictured(BesideResult):
    """Write `<stem>_<postfix>.png`; for postprocessing, after `Invertd`.

    Args:
        keys: results, MetaTensors `(1, X, Y, Z)`. The meta names the `region`, whose HU window is shown,
            and `filename_or_obj`; neither name nor other metadata appear in the picture.
        draw: such as `before_after_picture`; called with `hu_window`, `path`, `spacing` and the volumes.
        volumes: names of the volumes among the arguments of `draw`, and their keys (None for the result).
            All are on one grid, HU where they are CTs; `draw` gets them as `(X, Y, Z)` in RAS.
        results: where to write.
        postfix: says what was done, in the file's name.
    """

    suffix = ".png"

    def __init__(
        self,
        keys: KeysCollection,
        draw: Callable[..., None],
        volumes: Mapping[str, str | None],
        results: Results,
        postfix: str,
    ) -> None:
        super().__init__(keys, volumes, results, postfix)
        self.draw = draw

    def write(
        self, path: Path, meta: Mapping[str, Any], spacing: list[float], volumes: Mapping[str, np.ndarray]
    ) -> None:
        hu_window = region_window(str(meta.get("region", "unknown")))
        self.draw(hu_window=hu_window, path=path, spacing=spacing, **volumes)
