"""What the transforms that write a picture beside a result have in common."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from pathlib import Path

import numpy as np
from monai.data import MetaTensor
from monai.transforms import MapTransform, Orientation

from meddiff_core.conditions.regions import region_window
from meddiff_core.reports.beside import beside_result
from meddiff_core.transforms.scans import result_name


class PictureTransform(MapTransform):
    """Write `<stem>_<postfix>.png`: volumes of one grid in RAS, given to a function that draws them.

    A picture that fails is a line in the log: the result stands without it.

    Args:
        keys: the result, a MetaTensor `(1, X, Y, Z)`. Its meta names the `region`, whose window is shown, and
            `filename_or_obj`; neither name nor other metadata appear in the picture.
        output_dir: folder to write to; made if absent.
        postfix: says what was done, in the file's name.
        draw: called with `window`, `path`, `spacing` and the volumes `(X, Y, Z)` by the names below.
        result: the name of the result among its arguments.
        companions: name of each other argument and its key; None leaves it out.
    """

    def __init__(
        self,
        keys: str,
        output_dir: str | Path,
        postfix: str,
        draw: Callable[..., None],
        result: str,
        **companions: str | None,
    ) -> None:
        super().__init__(keys)
        self.output_dir = Path(output_dir).expanduser()
        self.postfix = postfix
        self.draw = draw
        self.result = result
        self.companions = {name: key for name, key in companions.items() if key is not None}

    def __call__(self, data: Mapping[Hashable, MetaTensor]) -> dict[Hashable, MetaTensor]:
        d = dict(data)
        for key in self.key_iterator(d):
            meta = d[key].meta
            path = self.output_dir / f"{result_name(meta, self.postfix)}.png"
            window = region_window(str(meta.get("region", "unknown")))
            names = {self.result: key} | self.companions
            with beside_result(path):
                spacing, volumes = in_ras({name: d[k] for name, k in names.items()})
                self.draw(window=window, path=path, spacing=spacing, **volumes)
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
