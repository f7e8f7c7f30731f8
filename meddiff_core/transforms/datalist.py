"""Read an MSD-style data list: items of files (`image`, `anatomy`, ...), `region` and `spacing`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from meddiff_core.errors import InputError

FILE_KEYS = ("image", "anatomy", "lesion", "organ", "thick")


def load_datalist(
    path: str | Path | Sequence[str | Path], section: str, needs: str | None = None
) -> list[dict[str, Any]]:
    """Items of one section of a data list, their files resolved against the list's own folder.

    MONAI's `load_decathlon_datalist` resolves `image` and `label` only.

    Args:
        path: the JSON file, as `meddiff_core.preparation` writes it; of several the items are joined.
        section: `training`, `validation` or `test`.
        needs: a key such as `lesion`; items without it are left out.

    Raises:
        InputError: if a file is missing, is not such a list, or nothing is left of the section.
    """
    paths = [path] if isinstance(path, str | Path) else list(path)
    items = [item for each in paths for item in _items(Path(each), section)]
    named = f"Section {section!r} of the data list {', '.join(map(str, paths))}"
    if not items:
        raise InputError(f"{named} is empty: give it a volume.")
    items = [item for item in items if needs is None or item.get(needs)]
    if not items:
        raise InputError(f"{named} has no volume with {needs}: add one.")
    return items


def _items(path: Path, section: str) -> list[dict[str, Any]]:
    if not path.is_file():
        raise InputError(
            f"Data list {path} does not exist: make one with python -m meddiff_core.preparation."
        )
    try:
        items = json.loads(path.read_text(encoding="utf-8"))[section]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"Data list {path} has no readable section {section!r}: {error}.") from error
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise InputError(f"Section {section!r} of the data list {path} is no list of items with an image.")
    return [
        {key: str(path.parent / value) if key in FILE_KEYS else value for key, value in item.items()}
        for item in items
    ]
