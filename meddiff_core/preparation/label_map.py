"""What the values of label maps mean, from a JSON file that a user writes."""

from __future__ import annotations

import json
from pathlib import Path

from meddiff_core.conditions.vocabulary import label_id
from meddiff_core.errors import InputError

OWN_NAMES = "totalsegmentator"


def read_label_map(path: Path) -> dict[str, dict[str, str] | None]:
    """Value to label name, by the end of the label map's file name; `None` for TotalSegmentator v2 maps.

    Args:
        path: JSON such as `{"_seg": {"1": "liver", "2": "spleen"}, "_ts": "totalsegmentator"}`. A value that
            is not named there is left to TotalSegmentator or to thresholds.

    Raises:
        InputError: the file does not exist, is no such JSON, or holds a name that the vocabulary lacks.
    """
    try:
        by_suffix = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} with the names of label values cannot be read as JSON: {error}.") from error
    if not isinstance(by_suffix, dict) or not by_suffix:
        raise InputError(f'{path} names no label maps: give {{"_seg": {{"1": "liver"}}}}, for example.')
    return {suffix: _checked(names, suffix, path) for suffix, names in by_suffix.items()}


def _checked(names: object, suffix: str, path: Path) -> dict[str, str] | None:
    if names == OWN_NAMES:
        return None
    if not isinstance(names, dict) or not names:
        hint = f'give {{"1": "liver"}}, for example, or "{OWN_NAMES}"'
        raise InputError(f"{path} does not name the values of {suffix!r}: {hint}.")
    for value, name in names.items():
        if not value.isdecimal() or int(value) == 0:
            raise InputError(f"{path} names the value {value!r} of {suffix!r}: give a whole number above 0.")
        try:
            label_id(str(name))
        except InputError as error:
            raise InputError(f"{path}, value {value} of {suffix!r}: {error}") from error
    return names
