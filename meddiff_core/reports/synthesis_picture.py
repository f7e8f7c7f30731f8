"""The picture beside a synthetic CT: its anatomy map and two windows of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from meddiff_core.conditions.regions import WIDEST, HUWindow, region_window
from meddiff_core.reports.anatomy_colours import ANATOMY_SCALE, anatomy_legend
from meddiff_core.reports.canvas import TEXT, WARNING, Canvas, grey_scale, window_name
from meddiff_core.reports.picture_transform import PictureTransform
from meddiff_core.reports.planes import Planes, middle

_WIDE, _SOFT = region_window(WIDEST), region_window("abdomen")


class SaveSynthesisPictured(PictureTransform):
    """Write `<stem>_<postfix>.png`, a synthetic CT beside its anatomy map; to run after `Invertd`.

    Args:
        keys: the synthetic CT in HU, a MetaTensor `(1, X, Y, Z)` on the map's grid. Its meta names the
            `region`, whose window is shown first, and `filename_or_obj`.
        anatomy_key: the map of vocabulary ids on the same grid, default "original".
        output_dir: folder to write to; made if absent.
        postfix: says what was done, in the file's name. Default "synthetic".
        label_key: the real CT in HU on the same grid, to compare with; default None.
    """

    def __init__(
        self,
        keys: str = "pred",
        anatomy_key: str = "original",
        output_dir: str | Path = "out",
        postfix: str = "synthetic",
        label_key: str | None = None,
    ) -> None:
        companions = {"anatomy": anatomy_key, "real": label_key}
        super().__init__(keys, output_dir, postfix, synthesis_picture, result="generated", **companions)


def synthesis_picture(
    anatomy: np.ndarray,
    generated: np.ndarray,
    window: HUWindow,
    path: str | Path,
    real: np.ndarray | None = None,
    spacing: Sequence[float] = (1.0, 1.0, 1.0),
) -> None:
    """Draw planes through the body's middle: the anatomy map, and the CT in its window and in another.

    The other is that of soft tissue for the wide window of the chest, and the wide one for all others.

    Args:
        anatomy: vocabulary ids `(X, Y, Z)`, axes towards right, anterior, superior.
        generated: synthetic CT in HU, same shape.
        window: HU window of the region.
        path: PNG to write.
        real: CT in HU, same shape; shown beside the synthetic one where given.
        spacing: voxel size in mm.

    Raises:
        InputError: the file cannot be written.
    """
    planes = Planes(anatomy.shape, spacing, middle(anatomy > 0))
    labels = [np.rint(image) for image in planes.cut(anatomy)]
    scans = [("SYNTHETIC CT", WARNING, planes.cut(generated))]
    if real is not None:
        scans.append(("real CT", TEXT, planes.cut(real)))

    canvas = Canvas(planes, columns=1 + 2 * len(scans))
    canvas.title(0, "anatomy map", "what the CT is made from")
    canvas.show(0, labels, ANATOMY_SCALE, interpolation="nearest")
    canvas.legend(0, *anatomy_legend(labels))
    column = 1
    for shown in (window, _SOFT if window == _WIDE else _WIDE):
        canvas.bar(column, column + len(scans) - 1, grey_scale(shown), "HU")
        for title, color, images in scans:
            canvas.title(column, title, window_name(shown), color)
            canvas.show(column, images, grey_scale(shown))
            column += 1
    canvas.save(path)
