"""How far a run is: a bar in a terminal, lines elsewhere."""

from __future__ import annotations

import logging
import sys

from tqdm import tqdm

logger = logging.getLogger("meddiff")

_FORM = "{l_bar}{bar}| {n:.1f}/{total} {unit} [{elapsed}<{remaining}]"
_LINE = "{percentage:.0f} %, {n:.1f} of {total} {unit}, {elapsed} so far, {remaining} left"


def progress(total: float, shown: bool = True, seconds: float = 10.0, unit: str = "steps") -> tqdm:
    """Count steps, to be closed at the end.

    Args:
        total: how many there will be.
        shown: false counts silently.
        seconds: least time between two lines, where the output is not a terminal.
        unit: what is counted.
    """
    if not shown or sys.stderr.isatty():
        return tqdm(total=total, unit=unit, bar_format=_FORM, disable=not shown)
    options = {"mininterval": seconds, "miniters": 0, "delay": seconds, "leave": False}
    return _Lines(total=total, unit=unit, bar_format=_LINE, **options)


class _Lines(tqdm):
    """Writes to the log what tqdm would draw."""

    def display(self, msg: str | None = None, pos: int | None = None) -> bool:
        if msg is None:  # an empty one clears a bar
            logger.info("%s", str(self))  # now: a record keeps its arguments
        return False
