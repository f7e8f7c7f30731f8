"""What a thick slice of a scan is the mean of: its width and its profile, given or from the header."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

from monai.data import MetaTensor

from meddiff_core.errors import InputError
from meddiff_core.physics.slice_profiles import SLICE_PROFILES, SliceProfile

logger = logging.getLogger("meddiff")

# Least and greatest width of a slab in distances of the slices: beyond, a header means something else.
_LEAST_WIDTH, _GREATEST_WIDTH = 0.1, 4.0
# By how much a width may differ from the distance of the slices before it counts as overlap or gaps.
_ALIKE = 0.02
_OVERLAP = (
    "%s: the slices are %.4g mm thick (%s) and %.4g mm apart, they overlap. Each thin one follows several."
)
_GAPS = (
    "%s: the slices are %.4g mm thick (%s) and %.4g mm apart, they leave gaps. Thin ones there are a guess."
)
_UNLIKELY = (
    "%s: the header's SliceThickness is %.4g mm and the slices are %.4g mm apart. That is unlikely. They "
    "are taken to lie side by side; give slice_width if that is wrong."
)


def slab_width(thick: MetaTensor, given: float | None) -> float:
    """Width of a scan's slabs in mm: given, SliceThickness of its header, or the distance of its slices.

    One line says where the slabs overlap or leave gaps, and what told so.

    Args:
        thick: slices along the last axis.
        given: width in mm; None takes the header's.

    Raises:
        InputError: the given width is less than a tenth or more than four times the distance.
    """
    distance, name = float(thick.pixdim[2]), str(thick.meta.get("filename_or_obj", "The scan"))
    width, source = given, "slice_width"
    if given is None:
        width, source = _header_width(thick) or distance, "SliceThickness of the header"
    if not _LEAST_WIDTH * distance <= width <= _GREATEST_WIDTH * distance:
        if given is not None:
            raise InputError(
                f"slice_width is {given:g} mm, but the slices of {name} are {distance:g} mm apart: use "
                f"{_LEAST_WIDTH * distance:g} to {_GREATEST_WIDTH * distance:g}."
            )
        logger.warning(_UNLIKELY, name, width, distance)
        width = distance
    if abs(width / distance - 1) <= _ALIKE:
        return distance
    logger.warning(_OVERLAP if width > distance else _GAPS, name, width, source, distance)
    return width


def _header_width(thick: MetaTensor) -> float | None:
    """SliceThickness in mm, None where there is none: headers hold all kinds of text."""
    try:
        width = float(thick.meta.get("SliceThickness") or 0)
    except ValueError:
        return None
    return width if math.isfinite(width) and width > 0 else None


def check_profile(profile: Sequence[float] | str | None) -> SliceProfile:
    """A slice profile by its name or its weights, the mean for None.

    Raises:
        InputError: no such name, or it holds no weights.
    """
    if profile is None or (isinstance(profile, str) and profile in SLICE_PROFILES):
        return SLICE_PROFILES[profile or "box"]
    weights = profile if isinstance(profile, list | tuple) else ()
    if not weights or not all(is_number(w) and w >= 0 for w in weights) or not sum(weights) > 0:
        raise InputError(
            f"slice_profile is {profile!r}: use {', '.join(SLICE_PROFILES)} or a list of weights of at least "
            "0, such as [1, 2, 1]."
        )
    return SliceProfile(tuple(float(weight) for weight in weights))


def is_number(value: object) -> bool:
    """Whether an option is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
