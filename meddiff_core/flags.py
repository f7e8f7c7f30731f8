"""On and off, as they come from Python, a config or a command line."""

from __future__ import annotations

from meddiff_core.errors import InputError

_WORDS = {"true": True, "false": False}


def as_flag(name: str, value: bool | str) -> bool:
    """The value of an option that is on or off; `--option false` on a bundle's command line is a text.

    Raises:
        InputError: it is neither.
    """
    flag = value if isinstance(value, bool) else _WORDS.get(str(value).lower())
    if flag is None:
        raise InputError(f"{name} is {value!r}: use true or false.")
    return flag
