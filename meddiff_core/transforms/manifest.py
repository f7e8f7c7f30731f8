"""A list of scans in a file: one scan a line, with its maps and the name of its result."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from meddiff_core.errors import InputError

COLUMNS = ("image", "anatomy", "lesion", "organ", "output")
"""The scan, its maps and masks, and the name that its results begin with. Only `image` is needed."""

_SUFFIXES = (".csv", ".jsonl")


def is_manifest(path: str | Path) -> bool:
    """Whether a file's name says that it lists scans."""
    return Path(path).suffix.lower() in _SUFFIXES


def read_manifest(path: Path) -> list[dict[str, str]]:
    """The lines of a CSV file with a header, or of a file of JSON objects (`.jsonl`).

    Args:
        path: the file. Paths in it are relative to its folder. What is empty in a line is absent.

    Returns:
        items with `image` and what else of `COLUMNS` is given.

    Raises:
        InputError: the file cannot be read, holds no line, a column that is none of `COLUMNS`, a line without
            image, a value that is no text, or an output that is no name of a file.
    """
    read = _csv if path.suffix.lower() == ".csv" else _json_lines
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = list(read(file))
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"{path} cannot be read as a list of scans: {error}.") from error
    if not lines:
        raise InputError(f"{path} lists no scan: give it a line for each.")
    return [_item(line, f"{path}, scan {number}", path.parent) for number, line in enumerate(lines, start=1)]


def _csv(file: Any) -> Iterator[dict[str, Any]]:
    yield from csv.DictReader(file)


def _json_lines(file: Any) -> Iterator[dict[str, Any]]:
    for line in filter(str.strip, file):
        item = json.loads(line)
        if not isinstance(item, dict):
            raise ValueError(f"{line.strip()[:60]} is no JSON object")
        yield item


def _item(line: dict[str, Any], named: str, folder: Path) -> dict[str, str]:
    for name, value in line.items():
        if name not in COLUMNS:
            raise InputError(f"{named}, has a value for {name}: use the columns {', '.join(COLUMNS)}.")
        if value is not None and not isinstance(value, str):
            raise InputError(f"{named}: its {name} is {value!r}: give a text.")
    item = {name: value.strip() for name, value in line.items() if value and value.strip()}
    if "image" not in item:
        raise InputError(f"{named}, has no image: name its file or DICOM folder.")
    output = item.pop("output", "")
    if output.startswith(".") or any(sign in output for sign in "/\\"):
        raise InputError(f"{named}: its output is {output}: give a name without folders.")
    paths = {name: str(folder / Path(value).expanduser()) for name, value in item.items()}
    return {**paths, "output": output} if output else paths
