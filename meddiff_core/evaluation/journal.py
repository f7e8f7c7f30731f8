"""A file with one line for each scan that was taken, and what it says of all of them."""

from __future__ import annotations

import json
import os
from collections import Counter
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import psutil

from meddiff_core.errors import InputError
from meddiff_core.transforms.manifest import is_manifest, read_manifest

DONE, FAILED, SKIPPED = "done", "failed", "skipped"


class Journal:
    """Append JSON lines to a file that several jobs may share.

    A line is one write at the end of the file, so lines of jobs on one machine never mix. Where the jobs'
    machines share a network file system, give each job a file of its own.

    Args:
        path: the file; its folder is made. None writes nothing.

    Raises:
        InputError: the folder cannot be made.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.path = None if path is None else Path(path).expanduser()
        if self.path is not None:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise InputError(
                    f"Cannot write {self.path} ({error.strerror}): choose another file."
                ) from error

    def write(self, image: str, number: str, state: str, seconds: float = 0.0, sentence: str = "") -> None:
        """Append the line of one scan.

        Args:
            image: its path, as in the list of scans.
            number: which of several results of the scan; empty where there is one.
            state: `done`, `failed` or `skipped`.
            seconds: from reading to the written result.
            sentence: why it failed.
        """
        if self.path is None:
            return
        memory = psutil.Process().memory_info().rss / 1e9
        entry = {"image": image, "number": number, "state": state, "seconds": round(seconds, 2)}
        entry |= {"memory_gb": round(memory, 2), "sentence": sentence, "date": _now()}
        line = json.dumps(entry) + "\n"
        file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(file, line.encode())
        finally:
            os.close(file)


def summarize(journal: str, image: str | None = None) -> None:
    """Print how many scans of a journal are done, and which failed; the last line of a scan counts.

    Ends with exit code 0 where all are done, 1 where some failed or are missing, 2 where none was started.

    Args:
        journal: the file, or several with commas between.
        image: the list of scans (.csv or .jsonl); its scans without a line are missing.

    Raises:
        InputError: a file cannot be read.
    """
    last = {
        (line["image"], line["number"]): line for path in journal.split(",") for line in _lines(Path(path))
    }
    seen = {name for name, _ in last}
    states = Counter(line["state"] for line in last.values())
    failed = [line for line in last.values() if line["state"] == FAILED]
    missing = [name for name in _listed(image) if name not in seen]
    print(
        f"Done: {states[DONE] + states[SKIPPED]}, failed: {len(failed)}, missing: {len(missing)}; "
        f"{sum(line['seconds'] for line in last.values()):.0f} s."
    )
    for line in failed:
        print(f"  {line['image']}: {line['sentence']}")
    for name in missing:
        print(f"  {name}: not started")
    code = 2 if not last else int(bool(failed or missing))
    if code:
        raise SystemExit(code)


def _lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a journal; none where it is not there."""
    if not path.is_file():
        return []
    lines = []
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            line = json.loads(text)
            lines.append({key: line[key] for key in ("image", "number", "state", "seconds", "sentence")})
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(f"{path}, line {number}, is no line of a journal: remove it.") from error
    return lines


def _listed(image: str | None) -> list[str]:
    if image is None:
        return []
    if not is_manifest(image):
        raise InputError(f"image is {image}: name the list of scans, a .csv or .jsonl file.")
    return [item["image"] for item in read_manifest(Path(image))]


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
