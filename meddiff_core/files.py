"""Result files appear whole or not at all."""

from __future__ import annotations

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


def _cannot_write(path: Path, error: OSError) -> InputError:
    reason = error.strerror or error
    return InputError(f"Cannot write {path} ({reason}): choose another output folder or make room.")
