"""Files on disk: results that appear whole or not at all, and weights whose SHA-256 their bundle names."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from meddiff_core.errors import InputError


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Hand out a hidden name beside `path` to write to; rename it to `path` when the block ends well.

    Args:
        path: the file to write; its folder is made.

    Raises:
        InputError: the file cannot be written (no permission, disk full, a file in a folder's place).
    """
    path = Path(path)
    # The suffixes stay at the end (writers choose the format by them); the process id keeps two runs apart.
    draft = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield draft
        os.replace(draft, path)
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:
        with suppress(OSError):  # not there, or its folder is no folder
            draft.unlink()


@contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """Hand out a hidden folder beside `path` to fill; it takes the place of `path` when the block ends well.

    Args:
        path: the folder to write; one that is there already is replaced with all that it holds.

    Raises:
        InputError: the folder cannot be written (no permission, disk full, a file in its place).
    """
    path = Path(path)
    draft, old = (path.with_name(f".{os.getpid()}.{path.name}{end}") for end in ("", ".old"))
    try:
        draft.mkdir(parents=True)
        yield draft
        if path.is_dir():  # no system replaces a folder that is not empty
            os.replace(path, old)
        os.replace(draft, path)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        if old.is_dir() and not path.exists():
            os.replace(old, path)
        raise _cannot_write(path, error) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def write_json(path: str | Path, content: Any) -> None:
    """Write what JSON can hold to `path`, see `whole_file`."""
    with whole_file(path) as draft:
        draft.write_text(json.dumps(content, indent=4) + "\n", encoding="utf-8")


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


def _cannot_write(path: Path, error: OSError) -> InputError:
    reason = error.strerror or error
    return InputError(f"Cannot write {path} ({reason}): choose another output folder or make room.")
