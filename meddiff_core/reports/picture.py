"""The picture beside a result: three planes before, after, and what changed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize

from meddiff_core.conditions.regions import HUWindow
from meddiff_core.reports.canvas import BACKGROUND, Canvas, grey_scale, window_name
from meddiff_core.reports.picture_transform import PictureTransform
from meddiff_core.reports.planes import Planes, body_centre

# Zero is the background's colour, so that only what changed lights up.
_CHANGE = LinearSegmentedColormap.from_list(
    "change", ["#7fd4ff", "#1f6fb2", BACKGROUND, "#c4551a", "#ffd08a"]
)
# Enough for noise of the strength that the window is used for; larger changes saturate.
_CHANGE_SHARE = 1 / 6


class SavePictured(PictureTransform):
    """Write `<stem>_<postfix>.png`, a result beside its input; for postprocessing, after `Invertd`.

    Args:
        keys: the result in HU, a MetaTensor `(1, X, Y, Z)` on the input's grid. Its meta names
            the `region`, whose window is shown, and `filename_or_obj`.
        original_key: the input in HU on the same grid: a copy made right after loading, default "original".
        output_dir: folder to write to; made if absent.
        postfix: says what was done, in the file's name and above the result. Default "denoised".
    """

    def __init__(
        self,
        keys: str = "pred",
        original_key: str = "original",
        output_dir: str | Path = "out",
        postfix: str = "denoised",
    ) -> None:
        draw = partial(before_after_picture, titles=("input", postfix))
        super().__init__(keys, output_dir, postfix, draw, result="after", before=original_key)


def before_after_picture(
    before: np.ndarray,
    after: np.ndarray,
    window: HUWindow,
    path: str | Path,
    titles: tuple[str, str] = ("input", "denoised"),
    spacing: Sequence[float] = (1.0, 1.0, 1.0),
) -> None:
    """Draw axial, coronal and sagittal planes through the body's centre: before, after and their difference.

    Args:
        before: input `(X, Y, Z)` in HU, axes towards right, anterior, superior.
        after: result, same shape.
        window: HU window of the first two columns.
        path: PNG to write.
        titles: above the first two columns.
        spacing: voxel size in mm.

    Raises:
        InputError: the file cannot be written.
    """
    planes = Planes(before.shape, spacing, body_centre(before, spacing))
    images = planes.cut(before), planes.cut(after)
    limit = change_limit(window)
    grey, change = grey_scale(window), ScalarMappable(Normalize(-limit, limit), _CHANGE)

    canvas = Canvas(planes, columns=3)
    for column in (0, 1):
        canvas.title(column, titles[column], window_name(window))
        canvas.show(column, images[column], grey)
    canvas.title(2, f"{titles[1]} minus {titles[0]}", "blue is lower, orange higher")
    canvas.show(2, [new - old for old, new in zip(*images, strict=True)], change)
    canvas.bar(0, 1, grey, "HU")
    canvas.bar(2, 2, change, "change in HU")
    canvas.save(path)


def change_limit(window: HUWindow) -> float:
    """Change in HU at which the colours end."""
    return max(1.0, round(window.width * _CHANGE_SHARE))
