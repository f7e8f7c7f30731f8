"""The picture beside a result with a made-up lesion: where it is, without it, with it, and its mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.lines import Line2D

from meddiff_core.conditions.lesion_shape import largest_part
from meddiff_core.conditions.regions import HUWindow
from meddiff_core.reports.canvas import MUTED, TEXT, WARNING, Canvas, grey_scale, window_name
from meddiff_core.reports.picture_transform import PictureTransform
from meddiff_core.reports.planes import Planes, inner_voxel

_FIELD_MM = 120.0
_MASK = {"colors": WARNING, "linewidths": 1.3}
_FRAME = {"colors": MUTED, "linewidths": 0.9}


class SaveLesionPictured(PictureTransform):
    """Write `<stem>_<postfix>.png`, a result around its largest lesion; to run after `Invertd`.

    Args:
        keys: the result in HU, a MetaTensor `(1, X, Y, Z)`. Its meta names the `region`, whose window is
            shown, and `filename_or_obj`.
        lesion_key: mask of the lesions on the same grid, default "lesion".
        original_key: the scan without the lesion in HU on the same grid; None (default) where there is none,
            because the whole CT is synthetic.
        output_dir: folder to write to; made if absent.
        postfix: says what was done, in the file's name. Default "lesion".
    """

    def __init__(
        self,
        keys: str = "pred",
        lesion_key: str = "lesion",
        original_key: str | None = None,
        output_dir: str | Path = "out",
        postfix: str = "lesion",
    ) -> None:
        companions = {"lesion": lesion_key, "before": original_key}
        super().__init__(keys, output_dir, postfix, lesion_picture, result="after", **companions)


def lesion_picture(
    after: np.ndarray,
    lesion: np.ndarray,
    window: HUWindow,
    path: str | Path,
    before: np.ndarray | None = None,
    spacing: Sequence[float] = (1.0, 1.0, 1.0),
) -> None:
    """Draw planes through the largest lesion: an overview, and close-ups before, after and with the mask.

    Args:
        after: CT with the lesion `(X, Y, Z)` in HU, axes towards right, anterior, superior.
        lesion: mask, nonzero within, same shape; not empty.
        window: HU window of the CT.
        path: PNG to write.
        before: CT without the lesion, same shape; a column of its own where given.
        spacing: voxel size in mm.

    Raises:
        InputError: the file cannot be written.
    """
    lesion = lesion > 0.5
    part, count = largest_part(lesion)
    near = CloseUp(after.shape, spacing, inner_voxel(part))
    far = Planes(near.shape, near.spacing, near.centre)
    field = np.zeros(after.shape, dtype=bool)
    field[near.box] = True
    title = "SYNTHETIC CT and lesion" if before is None else "SYNTHETIC lesion"
    mask_note = f"{part.sum() * np.prod(spacing) / 1000:.1f} ml"
    if count > 1:
        mask_note += f", the largest of {count}"
    close_ups = [(title, WARNING, window_name(window), after), ("mask", WARNING, mask_note, after)]
    if before is not None:
        close_ups.insert(0, ("before", TEXT, "the scan as it was given", before))

    canvas, grey = Canvas(near, columns=1 + len(close_ups)), grey_scale(window)
    canvas.title(0, "overview", "the frame is shown larger")
    canvas.show(0, far.cut(after), grey)
    canvas.outline(0, far.cut(field), **_FRAME)
    for line in canvas.axes:  # of another shape than the cell: on a level with the rest
        line[0].set_anchor("N")
    for column, (heading, color, note, volume) in enumerate(close_ups, start=1):
        canvas.title(column, heading, note, color)
        canvas.show(column, near.cut(volume), grey)
    canvas.outline(len(close_ups), near.cut(lesion), **_MASK)
    canvas.bar(0, len(close_ups) - 1, grey, "HU")
    canvas.legend(len(close_ups), [Line2D([], [], color=WARNING)], ["lesion mask"])
    canvas.save(path)


@dataclass(frozen=True)
class CloseUp(Planes):
    """Planes that show a field of 120 mm around their centre; at the volume's border it moves inwards."""

    @property
    def box(self) -> tuple[slice, ...]:
        """The field's part of the volume."""
        sizes = [min(n, round(_FIELD_MM / step)) for n, step in zip(self.shape, self.spacing, strict=True)]
        starts = [
            int(np.clip(centre - size // 2, 0, n - size))
            for centre, size, n in zip(self.centre, sizes, self.shape, strict=True)
        ]
        return tuple(slice(start, start + size) for start, size in zip(starts, sizes, strict=True))

    @property
    def _field(self) -> Planes:
        sizes = [along.stop - along.start for along in self.box]
        return Planes(sizes, self.spacing, [c - b.start for c, b in zip(self.centre, self.box, strict=True)])

    def cut(self, volume: np.ndarray) -> list[np.ndarray]:
        return self._field.cut(volume[self.box])

    @property
    def aspects(self) -> list[float]:
        return self._field.aspects
