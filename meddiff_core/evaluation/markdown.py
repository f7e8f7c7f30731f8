"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Sequence


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table without a line break at its end."""
    return "\n".join(f"| {' | '.join(line)} |" for line in [header, ["---"] * len(header), *rows])


def number(value: float | None, digits: int = 3) -> str:
    """A number for a table; `n/a` where it is not there or nan."""
    return "n/a" if value is None or value != value else f"{value:.{digits}f}"
