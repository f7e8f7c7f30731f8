"""SHA-256 of weight files: a bundle's metadata.json names the files that it ships."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from meddiff_core.errors import InputError


def sha256_of(data: bytes) -> str:
    """SHA-256 of `data` in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def named_sha256(path: str | Path) -> str | None:
    """The SHA-256 that a bundle names for one of its own weight files.

    Args:
        path: the file, in a folder of the bundle such as `models`. The bundle's `configs/metadata.json` holds
            `"weights_sha256": {"models/model.pt": "<hexadecimal>"}`.

    Returns:
        None for a file that no bundle names: weights that somebody trained.

    Raises:
        InputError: if metadata.json is damaged.
    """
    path = Path(path).absolute()
    metadata = path.parent.parent / "configs" / "metadata.json"
    try:
        return (
            json.loads(metadata.read_text()).get("weights_sha256", {}).get(f"{path.parent.name}/{path.name}")
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(f"{metadata} is damaged or unreadable: get the bundle again.") from error


def check_sha256(path: str | Path, data: bytes) -> None:
    """Compare the content of a weight file with what its bundle names, if it names the file.

    Raises:
        InputError: if they differ.
    """
    named = named_sha256(path)
    if named is not None and sha256_of(data) != named:
        raise InputError(
            f"Weights {path} are not those whose SHA-256 their bundle's configs/metadata.json names: get "
            "them again, or, if you trained them, take their line out of weights_sha256 there."
        )
