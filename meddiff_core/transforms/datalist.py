"""Read an MSD-style data list: items of `image`, `anatomy`, `lesion`, `organ`, `thick` and `region`."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from meddiff_core.conditions.regions import REGIONS
from meddiff_core.errors import InputError

logger = logging.getLogger("meddiff")

FILE_KEYS = ("image", "anatomy", "lesion", "organ", "thick")


def load_datalist(
    path: str | Path, section: str, needs: str | None = None, required: Sequence[str] = ()
) -> list[dict[str, str]]:
    """Items of one section of a data list, their files resolved against the list's own folder.

    MONAI's `load_decathlon_datalist` resolves `image` and `label` only.

    Args:
        path: the JSON file, as `meddiff_core.preparation` writes it.
        section: `training`, `validation` or `test`.
        needs: a key such as `lesion`; items without it are left out, with a line that counts them.
        required: keys beside `image` that no item may lack, for training: `anatomy` and `region`.

    Raises:
        InputError: if the file is missing, is not such a list, or nothing is left of the section; if an item
            lacks what is required, or names a file by something else than a text, or an unknown region.
    """
    path = Path(path)
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
    if not items:
        raise InputError(f"Section {where} is empty: give it a volume.")
    for number, item in enumerate(items, start=1):
        _check_item(item, f"Item {number} of section {where}", required)
    kept = [item for item in items if needs is None or item.get(needs)]
    if not kept:
        raise InputError(f"Section {where} has no volume with {needs}: add one{_hint(items[0])}.")
    if len(kept) < len(items):
        logger.info("%d items of section %s have no %s: left out.", len(items) - len(kept), where, needs)
    root = path.parent
    return [
        {
            key: str(root / value) if key in FILE_KEYS else value
            for key, value in item.items()
            if value or key not in FILE_KEYS
        }
        for item in kept
    ]


def _check_item(item: Mapping[str, object], name: str, required: Sequence[str]) -> None:
    for key in ("image", *required):
        if not item.get(key):
            raise InputError(f"{name}, {item.get('image')}, has no {key}: add it{_hint(item)}.")
    for key in FILE_KEYS:
        if item.get(key) and not isinstance(item[key], str):
            raise InputError(f"{name}: its {key} is {item[key]!r}: give the path of a file.")
    if "region" in required and item["region"] not in REGIONS:
        raise InputError(
            f"{name}, {item['image']}, has the region {item['region']!r}: use {', '.join(REGIONS)}."
        )


def _hint(item: Mapping[str, object]) -> str:
    return "; what it calls label is an anatomy or a lesion here" if "label" in item else ""
