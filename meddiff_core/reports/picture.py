"""The picture beside a result: three planes before, after, and what changed."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from monai.data import MetaTensor
from monai.transforms import MapTransform, Orientation

from meddiff_core.conditions.body import body_mask
from meddiff_core.conditions.regions import HUWindow, region_window
from meddiff_core.files import whole_file
from meddiff_core.transforms.scans import scan_stem

logger = logging.getLogger("meddiff")

_BACKGROUND, _TEXT, _MUTED = "#0b0d10", "#e8eaed", "#8b929b"
# Zero is the background's colour, so that only what changed lights up.
_CHANGE = LinearSegmentedColormap.from_list(
    "change", ["#7fd4ff", "#1f6fb2", _BACKGROUND, "#c4551a", "#ffd08a"]
)
# Enough for noise of the strength that the window is used for; larger changes saturate.
_CHANGE_SHARE = 1 / 6
_CAPTION = "MedDiff-FM. For research use only, not for diagnosis. The patient's right is on the left."
# The body's middle is sought on a grid of about this voxel size, for speed.
_GRID_MM = 3.0
_WIDTH_INCH, _MAX_HEIGHT_INCH, _DPI = 10.0, 14.0, 130


class SavePictured(MapTransform):
    """Write `<stem>_<postfix>.png`, a result beside its input; for postprocessing, after `Invertd`.

    Args:
        keys: the result in HU, a MetaTensor `(1, X, Y, Z)` on the input's grid. Its meta names
            the `region`, whose window is shown, and `filename_or_obj`.
        original_key: the input in HU on the same grid: a copy made right after loading, default "original".
        output_dir: folder to write to; made if absent.
        postfix: says what was done, in the file's name and above the result. Default "denoised".

    Raises:
        InputError: the file cannot be written.
    """

    def __init__(
        self,
        keys: str = "pred",
        original_key: str = "original",
        output_dir: str | Path = "out",
        postfix: str = "denoised",
    ) -> None:
        super().__init__(keys)
        self.original_key = original_key
        self.output_dir = Path(output_dir).expanduser()
        self.postfix = postfix

    def __call__(self, data: Mapping[Hashable, MetaTensor]) -> dict[Hashable, MetaTensor]:
        d = dict(data)
        to_ras = Orientation("RAS", labels=None)
        before = to_ras(d[self.original_key])
        for key in self.key_iterator(d):
            meta = d[key].meta
            path = self.output_dir / f"{scan_stem(meta['filename_or_obj'])}_{self.postfix}.png"
            before_after_picture(
                before.numpy()[0],
                to_ras(d[key]).cpu().numpy()[0],
                region_window(str(meta.get("region", "unknown"))),
                path,
                titles=("input", self.postfix),
                spacing=before.pixdim.tolist(),
            )
            logger.info("Wrote %s", path)
        return d


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
    centre = _centre(before, spacing)
    rows = [[_plane(volume, axis, centre[axis]) for volume in (before, after)] for axis in (2, 1, 0)]
    # mm that one pixel of each plane covers, down and across
    pixels = [(spacing[1], spacing[0]), (spacing[2], spacing[0]), (spacing[2], spacing[1])]
    shown = Normalize(window.lower, window.upper)
    limit = max(1.0, round(window.width * _CHANGE_SHARE))
    changed = Normalize(-limit, limit)

    figure, axes = _canvas([(row[0].shape, pixel) for row, pixel in zip(rows, pixels, strict=True)])
    for row, (down, across), line in zip(rows, pixels, axes, strict=True):
        images = (row[0], row[1], row[1] - row[0])
        for image, axis, scale, colours in zip(
            images, line, (shown, shown, changed), ("gray", "gray", _CHANGE), strict=True
        ):
            axis.imshow(image, cmap=colours, norm=scale, aspect=down / across, interpolation="bilinear")
    for axis, title in zip(axes[0], (*titles, f"{titles[1]} minus {titles[0]}"), strict=True):
        axis.set_title(title, color=_TEXT, fontsize=11, pad=8)
    for line, name, index in zip(axes, ("axial", "coronal", "sagittal"), centre[::-1], strict=True):
        line[0].set_ylabel(f"{name} {index}", color=_MUTED, fontsize=9)
    _bar(figure, axes[-1][:2], ScalarMappable(shown, "gray"), "HU")
    _bar(figure, axes[-1][2:], ScalarMappable(changed, _CHANGE), "change in HU")
    figure.text(
        0.5, 0.12 / figure.get_figheight(), _CAPTION, color=_MUTED, fontsize=7.5, ha="center", va="bottom"
    )
    with whole_file(path) as draft:
        figure.savefig(draft, dpi=_DPI, facecolor=_BACKGROUND)


def _centre(hu: np.ndarray, spacing: Sequence[float]) -> tuple[int, ...]:
    """Voxel through which the planes go: the middle of the body's extent, or of the volume without a body."""
    steps = [max(1, round(_GRID_MM / float(step))) for step in spacing]
    coarse = hu[tuple(slice(None, None, step) for step in steps)]
    body = body_mask(coarse, [float(size) * step for size, step in zip(spacing, steps, strict=True)])
    if not body.any():
        return tuple(n // 2 for n in hu.shape)
    inside = np.argwhere(body)
    middle = (inside.min(axis=0) + inside.max(axis=0)) * steps // 2
    return tuple(int(index) for index in middle)


def _plane(volume: np.ndarray, axis: int, index: int) -> np.ndarray:
    """One plane as an image: anterior or superior up; the patient's right, or anterior, on the left."""
    return np.take(volume, index, axis=axis).T[::-1, ::-1].astype(np.float32)


def _canvas(planes: list[tuple[tuple[int, int], tuple[float, float]]]) -> tuple[Figure, list[list[Axes]]]:
    """A dark figure with three axes per plane, each row as high as its plane needs at the common width."""
    shares = [shape[0] * down / (shape[1] * across) for shape, (down, across) in planes]
    top, bottom, left, gap = 0.45, 0.95, 0.4, 0.06
    width = (_WIDTH_INCH - left - 3 * gap) / 3
    # Long scans make tall rows: shrink those, they are centred in their cell.
    room = (_MAX_HEIGHT_INCH - top - bottom - 3 * gap) / (sum(shares) * width)
    heights = [min(1.0, room) * share * width for share in shares]
    total = top + bottom + sum(heights) + 3 * gap
    figure = Figure(figsize=(_WIDTH_INCH, total))
    FigureCanvasAgg(figure)
    axes, y = [], total - top
    for height in heights:
        y -= height
        line = []
        for column in range(3):
            x = left + column * (width + gap)
            axis = figure.add_axes((x / _WIDTH_INCH, y / total, width / _WIDTH_INCH, height / total))
            axis.set(xticks=[], yticks=[], facecolor=_BACKGROUND)
            axis.spines[:].set_visible(False)
            line.append(axis)
        axes.append(line)
        y -= gap
    return figure, axes


def _bar(figure: Figure, above: list[Axes], mappable: ScalarMappable, label: str) -> None:
    """A colour bar below the axes it explains."""
    left, right = above[0].get_position().x0, above[-1].get_position().x1
    inch = 1 / figure.get_figheight()
    inset = (right - left) * 0.2
    place = (left + inset, above[0].get_position().y0 - 0.2 * inch, right - left - 2 * inset, 0.08 * inch)
    bar = figure.colorbar(mappable, cax=figure.add_axes(place), orientation="horizontal")
    bar.outline.set_visible(False)
    bar.ax.tick_params(colors=_MUTED, labelsize=8, length=2)
    bar.set_label(label, color=_MUTED, fontsize=8, labelpad=1)
