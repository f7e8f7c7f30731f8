"""The picture beside a result: volumes of one grid, given to a function that draws them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping

import numpy as np
from monai.data import MetaTensor
from monai.transforms import MapTransform, Orientation

from meddiff_core.conditions.regions import region_window
from meddiff_core.reports.beside import beside_result
from meddiff_core.transforms.results import Results


class SavePictured(MapTransform):
    """Write `<stem>_<postfix>.png`; for postprocessing, after `Invertd`.

    A picture that fails is a line in the log: the result stands without it.

    Args:
        keys: the result, a MetaTensor `(1, X, Y, Z)`. Its meta names the `region`, whose HU window is shown,
            and `filename_or_obj`; neither name nor other metadata appear in the picture.
        draw: such as `before_after_picture`; called with `hu_window`, `path`, `spacing` and the volumes.
        volumes: names of the volumes among the arguments of `draw`, and their keys. All are on one grid, HU
            where they are CTs; `draw` gets them as `(X, Y, Z)` in RAS.
        results: where to write.
        postfix: says what was done, in the file's name.
    """

    def __init__(
        self, keys: str, draw: Callable[..., None], volumes: Mapping[str, str], results: Results, postfix: str
    ) -> None:
        super().__init__(keys)
        self.draw = draw
        self.volumes = dict(volumes)
        self.results = results
        self.postfix = postfix

    def __call__(self, data: Mapping[Hashable, MetaTensor]) -> dict[Hashable, MetaTensor]:
        d = dict(data)
        for key in self.key_iterator(d):
            meta = d[key].meta
            path = self.results.path(meta, self.postfix, ".png")
            hu_window = region_window(str(meta.get("region", "unknown")))
            with beside_result(path):
                spacing, volumes = in_ras({name: d[k] for name, k in self.volumes.items()})
                self.draw(hu_window=hu_window, path=path, spacing=spacing, **volumes)
        return d


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
