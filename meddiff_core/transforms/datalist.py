"""Read an MSD-style data list: items of files (`image`, `anatomy`, ...), `region` and `spacing`."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from meddiff_core.conditions.regions import REGIONS
from meddiff_core.errors import InputError

logger = logging.getLogger("meddiff")

FILE_KEYS = ("image", "anatomy", "lesion", "organ", "thick")


def load_datalist(
    path: str | Path | Sequence[str | Path],
    section: str,
    needs: str | None = None,
    required: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Items of one section of a data list, their files resolved against the list's own folder.

    MONAI's `load_decathlon_datalist` resolves `image` and `label` only.

    Args:
        path: the JSON file, as `meddiff_core.preparation` writes it; of several the items are joined.
        section: `training`, `validation` or `test`.
        needs: a key such as `lesion`; items without it are left out, with a line that counts them.
        required: keys beside `image` that no item may lack, for training: `anatomy` and `region`.

    Raises:
        InputError: if a file is missing, is not such a list, or nothing is left of the section; if an item
            lacks what is required, names a file by something else than a text, or an unknown region.
    """
    paths = [path] if isinstance(path, str | Path) else list(path)
    items = [item for each in paths for item in _items(Path(each), section, needs, required)]
    named = f"Section {section!r} of the data list {', '.join(map(str, paths))}"
    if not items:
        raise InputError(f"{named} is empty: give it a volume.")
    kept = [item for item in items if needs is None or item.get(needs)]
    if not kept:
        raise InputError(f"{named} has no volume with {needs}: add one.")
    if len(kept) < len(items):
        logger.info("%s: items without %s are left out: %d.", named, needs, len(items) - len(kept))
    return kept


def _items(path: Path, section: str, needs: str | None, required: Sequence[str]) -> list[dict[str, Any]]:
    if not path.is_file():
        raise InputError(
            f"Data list {path} does not exist: make one with python -m meddiff_core.preparation."
        )
    try:
        items = json.loads(path.read_text(encoding="utf-8"))[section]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"Data list {path} has no readable section {section!r}: {error}.") from error
    where = f"{section!r} of the data list {path}"
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise InputError(f"Section {where} is no list of items with an image.")
    for number, item in enumerate(items, start=1):
        # a key of other software may be what is needed: not left out, but refused
        wanted = [*required, needs] if needs and "label" in item else required
        _check_item(item, f"Item {number} of section {where}", wanted)
    given = [{key: value for key, value in item.items() if value or key not in FILE_KEYS} for item in items]
    return [
        {key: str(path.parent / value) if key in FILE_KEYS else value for key, value in item.items()}
        for item in given
    ]


def _check_item(item: Mapping[str, Any], named: str, required: Sequence[str]) -> None:
    for key in ("image", *required):
        if not item.get(key):
            hint = "; what it calls label is an anatomy or a lesion here" if "label" in item else ""
            raise InputError(f"{named}, {item.get('image')}, has no {key}: add it{hint}.")
    for key in FILE_KEYS:
        if item.get(key) and not isinstance(item[key], str):
            raise InputError(f"{named}: its {key} is {item[key]!r}: give the path of a file.")
    if "region" in required and item["region"] not in REGIONS:
        known = ", ".join(REGIONS)
        raise InputError(f"{named}, {item['image']}, has the region {item['region']!r}: use {known}.")
