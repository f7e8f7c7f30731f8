"""Options as they come from the command line."""

from __future__ import annotations

from meddiff_core.errors import InputError


def check_flag(name: str, value: object) -> bool:
    """Whether an option is on; `--option false` arrives as a text, which Python would take for true.

    Raises:
        InputError: the value is neither true nor false; names the option.
    """
    if str(value).lower() not in ("true", "false"):
        raise InputError(f"{name} is {value!r}: use true or false.")
    return str(value).lower() == "true"
