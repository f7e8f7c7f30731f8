"""What the values of a mask and of a label map mean: one lesion or organ, or ids of the vocabulary."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from monai.data import MetaTensor

from meddiff_core.conditions.vocabulary import NUM_LABELS
from meddiff_core.errors import InputError

logger = logging.getLogger("meddiff")

MaskValue = int | Sequence[int] | str | None
"""Which values of a mask count: a number, several, `all` that are not 0; None: its only one beside 0."""

ALL = "all"
# Whole numbers that went through a conversion to float or a scale.
_ROUNDING = 1e-3
# Interpolation by splines leaves [0, 1] by so much.
_OVERSHOOT = 0.25
_LISTED = 6


def check_mask_value(option: str, value: MaskValue) -> None:
    """Raise `InputError` naming the option, unless `value` is a `MaskValue`."""
    numbers = value if isinstance(value, list | tuple) and value else [value]
    whole = all(isinstance(n, int) and not isinstance(n, bool) and n != 0 for n in numbers)
    if value is not None and value != ALL and not whole:
        raise InputError(
            f"{option} is {value!r}: use a whole number other than 0, several as [2,3], or {ALL}."
        )


def mask_of(
    volume: MetaTensor,
    name: str,
    option: str | None = None,
    value: MaskValue = None,
    names: Mapping[int, str] | None = None,
) -> MetaTensor:
    """The mask that a volume holds: 1 within, 0 outside.

    A mask has one value beside 0, which may be any: 1, 255, -1. One of probabilities in [0, 1], or of a mask
    that was interpolated, is cut at half.

    Args:
        volume: `(1, X, Y, Z)`.
        name: begins the sentence of a refusal.
        option: the option that names the value, for that sentence; None where there is none.
        value: see `MaskValue`.
        names: what the file's header calls its values, for that sentence.

    Raises:
        InputError: several values and none of them is named, or fractions that are no probabilities.
    """
    values, found = rounded_values(volume, name)
    if not np.array_equal(found, found.round()) and found.size > 2:
        return _like(volume, _cut(values, found, name))
    present = found[found != 0]
    if value in (None, ALL):
        if value is None and present.size > 1:
            listed = _volumes(volume, values, present, names or {})
            if option is None:
                raise InputError(f"{name} holds several values, {listed}: give a mask of this organ alone.")
            raise InputError(
                f"{name} holds several values, {listed}: name what counts by {option}, such as "
                f"{present[-1]:g} or {ALL}; a map of organs is given by anatomy."
            )
        return _like(volume, values != 0)
    wanted = [value] if isinstance(value, int) else list(value)
    missing = [str(number) for number in wanted if number not in present]
    if len(missing) == len(wanted):
        has = _volumes(volume, values, present, names or {}) or "0 only"
        logger.warning("%s holds no %s, but %s: nothing of it counts.", name, " or ".join(missing), has)
    return _like(volume, np.isin(values, wanted))


def check_labels(volume: MetaTensor, name: str) -> MetaTensor:
    """A label map `(1, X, Y, Z)`, its values rounded; `InputError`, begun by `name`, for what is no id."""
    values, found = whole_values(volume, name)
    wrong = found[(found < 0) | (found >= NUM_LABELS)]
    if wrong.size:
        raise InputError(
            f"{name} holds the value {_number(wrong[0])}: use whole numbers from 0 to {NUM_LABELS - 1}."
        )
    return _like(volume, values)


def whole_values(volume: MetaTensor, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Values of a label map `(X, Y, Z)`, and which there are; `InputError` where one is a fraction or NaN."""
    values, found = rounded_values(volume, name)
    fractions = found[found != found.round()]
    if fractions.size:
        raise InputError(
            f"{name} holds the value {_number(fractions[0])}: use whole numbers from 0 to {NUM_LABELS - 1}; "
            "where it was resampled, do that by nearest neighbour."
        )
    return values, found


def rounded_values(volume: MetaTensor, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Values `(X, Y, Z)`, whole where they nearly are, and which there are; `InputError` for NaN."""
    values = np.asarray(volume)[0]
    if not np.isfinite(values).all():
        raise InputError(
            f"{name} holds NaN or infinite values: use whole numbers from 0 to {NUM_LABELS - 1}."
        )
    whole = np.rint(values)
    values = np.where(np.abs(values - whole) < _ROUNDING, whole, values)
    return values, np.unique(values) + 0.0  # not -0


def _cut(values: np.ndarray, found: np.ndarray, name: str) -> np.ndarray:
    if found[0] < -_OVERSHOOT or found[-1] > 1 + _OVERSHOOT:
        raise InputError(
            f"{name} holds fractions from {_number(found[0])} to {_number(found[-1])}: give a mask, or "
            "probabilities from 0 to 1; where it was resampled, do that by nearest neighbour."
        )
    logger.info("%s holds values between 0 and 1: it is cut at half.", name)
    return values >= 0.5


def _volumes(volume: MetaTensor, values: np.ndarray, present: np.ndarray, names: Mapping[int, str]) -> str:
    """Each value with its volume, the largest of many."""
    ml = float(np.abs(np.linalg.det(np.asarray(volume.affine)[:3, :3]))) / 1000
    _, counts = np.unique(values[values != 0], return_counts=True)
    listed = [
        f"{value:g}{' ' + names[int(value)] if int(value) in names else ''} ({_ml(count * ml)} ml)"
        for value, count in zip(present[:_LISTED], counts, strict=False)
    ]
    more = f" and {present.size - _LISTED} more" if present.size > _LISTED else ""
    return ", ".join(listed) + more


def _ml(volume: float) -> str:
    return f"{volume:.0f}" if volume >= 10 else f"{volume:.2g}"


def _number(value: float) -> str:
    return f"{value:.7g}"


def _like(volume: MetaTensor, array: np.ndarray) -> MetaTensor:
    return MetaTensor(
        torch.from_numpy(array.astype(np.float32))[None], affine=volume.affine, meta=volume.meta
    )
