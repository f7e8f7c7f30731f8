"""Which volumes this program made itself: results are no input of a later run."""

from __future__ import annotations

import json
from pathlib import Path

from meddiff_core.errors import InputError
from meddiff_core.transforms.dicom_files import ct_header
from meddiff_core.transforms.dicom_header import MODEL_NAME


def made_from(path: Path, stem: str) -> str | None:
    """Name of the scan that a result was made from; None of what is no result.

    Args:
        path: a volume file or the folder of a DICOM series.
        stem: its name without suffix, as in the name of the record beside it, `<stem>.json`.

    Returns:
        as the record says; empty where only the header of a derived DICOM series tells.
    """
    try:
        record = json.loads(path.with_name(f"{stem}.json").read_text(encoding="utf-8"))
        if MODEL_NAME in record["software"]:
            return str(record["input"])
    except (OSError, ValueError, LookupError, TypeError):  # no record, or another program's
        pass
    return "" if path.is_dir() and _derived(path) else None


def _derived(folder: Path) -> bool:
    try:
        header = ct_header(folder)
    except InputError:  # loading it says what is wrong
        return False
    return header is not None and header.get("ManufacturerModelName") == MODEL_NAME
