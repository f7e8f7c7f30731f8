"""Result files appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

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
        reason = error.strerror or error
        raise InputError(
            f"Cannot write {path} ({reason}): choose another output folder or make room."
        ) from error
    finally:
        with suppress(OSError):  # not there, or its folder is no folder
            draft.unlink()
