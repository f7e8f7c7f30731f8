"""Refuse an option outside its range, with a sentence that names it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from meddiff_core.errors import InputError


def check_flag(name: str, value: object) -> bool:
    """Whether an option is on; `--option false` arrives as a text, which Python would take for true.

    Raises:
        InputError: the value is neither true nor false; names the option.
    """
    if str(value).lower() not in ("true", "false"):
        raise InputError(f"{name} is {value!r}: use true or false.")
    return str(value).lower() == "true"


def check_number(name: str, value: Any, wanted: str, valid: Callable[[Any], bool]) -> None:
    """Raise `InputError` naming the option, unless `value` is a finite number for which `valid` holds."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not is_number or not valid(value):
        raise InputError(f"{name} is {value!r}: use {wanted}.")


def check_count(name: str, value: Any, least: int = 1, most: float = math.inf) -> None:
    """Raise `InputError` naming the option, unless `value` is a whole number from `least` to `most`."""
    wanted = f"a whole number of at least {least}" + (f" and at most {most}" if most < math.inf else "")
    check_number(name, value, wanted, lambda v: least <= v <= most and v == int(v))
