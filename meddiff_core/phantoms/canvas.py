"""A volume that shapes are painted into, with soft partial-volume edges, labels and texture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from meddiff_core.conditions.vocabulary import BODY, NUM_LABELS, label_id
from meddiff_core.phantoms.enhancement import plain_hu
from meddiff_core.phantoms.shapes import Shape
from meddiff_core.phantoms.texture import smooth_noise

AIR_HU = -1000.0
# Pitch in mm and weight of the noise that makes tissue look like tissue.
_TEXTURE = ((2.2, 0.75), (5.0, 0.5), (14.0, 0.4))
# Pitch in mm and amplitude in mm of the noise that keeps outlines from being perfect quadrics.
_WOBBLE = ((16.0, 1.0), (38.0, 1.6))
# Opacity below which painting is not worth its time.
_INVISIBLE = 0.1


class Canvas:
    """Paints shapes in order, later ones over earlier ones.

    Args:
        shape: voxels `(X, Y, Z)`.
        extent: field of view in mm; the grid always covers all of it, whatever its shape.
        rng: source of texture and outlines.
        scale: size of the patient along x, y and z; 1 is the size that the shapes describe.
        shift: offset of the patient in mm.
        contrast: in the portal venous phase, as the shapes are described; else without contrast agent.
    """

    def __init__(
        self,
        shape: Sequence[int],
        extent: Sequence[float],
        rng: np.random.Generator,
        scale: Sequence[float],
        shift: Sequence[float],
        contrast: bool = True,
    ) -> None:
        self._contrast = contrast
        pitch = np.divide(extent, shape)
        centres = [(np.arange(n) - (n - 1) / 2) * step for n, step in zip(shape, pitch, strict=True)]
        self._axes = [(c - s) / f for c, s, f in zip(centres, shift, scale, strict=True)]
        self._grid = np.ix_(*(axis.astype(np.float32) for axis in self._axes))
        # Width of a voxel as a surface of any direction meets it.
        self._blur = float(np.prod(pitch) ** (1 / 3))
        self.hu = np.full(shape, AIR_HU, dtype=np.float32)
        self.anatomy = np.zeros(shape, dtype=np.uint8)
        self._grain = np.full(shape, 3.0, dtype=np.float32)

        def noise(bands):
            return sum(weight * smooth_noise(rng, centres, extent, step) for step, weight in bands)

        # Contrast and attenuation of each organ differ a little between patients.
        self._offset = rng.normal(0, 4, NUM_LABELS)
        self._offset[BODY] = 0
        self._texture, self._wobble = noise(_TEXTURE), noise(_WOBBLE)

    def paint(
        self,
        shape: Shape,
        hu: float,
        label: str | None = None,
        grain: float = 7.0,
        wobble: float = 1.0,
        within: Sequence[str] = (),
    ) -> None:
        """Replace what lies inside `shape`.

        Args:
            shape: the solid.
            hu: its mean HU.
            label: its name in the vocabulary; None leaves the labels as they are.
            grain: amplitude of its texture in HU.
            wobble: how irregular its outline is; 0 is exact.
            within: paint only where the labels are these; anywhere if empty.
        """
        box, cover = self._cover(shape, wobble, within)
        if cover is None:
            return
        hu = hu if self._contrast else plain_hu(hu, label)
        hu = np.float32(hu if label is None else hu + self._offset[label_id(label)])
        self.hu[box] += cover * (hu - self.hu[box])
        self._grain[box] += cover * (np.float32(grain) - self._grain[box])
        if label is not None:
            self.anatomy[box][cover > 0.5] = label_id(label)

    def cover(self, shape: Shape, wobble: float = 1.0, within: Sequence[str] = ()) -> np.ndarray:
        """Share of each voxel that `shape` fills, float32 `(X, Y, Z)`; painting uses the same."""
        result = np.zeros(self.hu.shape, dtype=np.float32)
        box, cover = self._cover(shape, wobble, within)
        if cover is not None:
            result[box] = cover
        return result

    def finish(self) -> np.ndarray:
        """HU with the texture added, int16, within what a scanner stores."""
        return np.rint(np.clip(self.hu + self._grain * self._texture, -1024, 3071)).astype(np.int16)

    def _cover(self, shape, wobble, within):
        """Index ranges around `shape` and the cover within them; None where there is nothing to see of it."""
        margin = self._blur + 4 * wobble
        low, high = shape.bounds()
        axes = zip(self._axes, low - margin, high + margin, strict=True)
        box = tuple(slice(*np.searchsorted(axis, (start, stop))) for axis, start, stop in axes)
        fill = shape.fill(self._blur)
        if fill < _INVISIBLE or any(part.stop <= part.start for part in box):
            return box, None
        x, y, z = self._grid
        distance = shape.distance(x[box[0]], y[:, box[1]], z[:, :, box[2]])
        distance += np.float32(wobble) * self._wobble[box]
        cover = np.clip(0.5 - distance / np.float32(self._blur), 0, 1) * np.float32(fill)
        if within:
            allowed = np.zeros(256, dtype=bool)
            allowed[[label_id(name) for name in within]] = True
            cover *= allowed[self.anatomy[box]]
        return box, cover
