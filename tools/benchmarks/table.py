"""What all benchmarks share: every method on every case, and the table of the results."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from tqdm import tqdm

from meddiff_core.evaluation import markdown
from meddiff_core.files import whole_file, write_json

Row = Mapping[str, Any]
Case = TypeVar("Case")
Method = TypeVar("Method")


@dataclass(frozen=True)
class Table:
    """A table of results.

    Args:
        introduction: rows to the text above the table, which says what the numbers stand on.
        columns: title to the text of a row's cell.
    """

    introduction: Callable[[Sequence[Row]], str]
    columns: Mapping[str, Callable[[Row], str]]

    def page(self, rows: Sequence[Row]) -> str:
        """Introduction and table in Markdown."""
        cells = [[cell(row) for cell in self.columns.values()] for row in rows]
        return f"{self.introduction(rows)}\n\n{markdown.table(list(self.columns), cells)}\n"

    def fill(
        self,
        path: Path,
        cases: Sequence[Case],
        methods: Sequence[Method],
        measure: Callable[[Case, Method], dict | list[dict]],
    ) -> list[dict]:
        """Rows of every method on every case; `path` with .json and .md is written anew after each.

        Args:
            path: of the two files, without suffix.
            cases: what is measured on.
            methods: what is compared.
            measure: the row of one method on one case, or several.
        """
        rows: list[dict] = []
        for case, method in tqdm(list(product(cases, methods)), unit="result"):
            measured = measure(case, method)
            rows += [measured] if isinstance(measured, dict) else measured
            write_json(path.with_suffix(".json"), rows)
            with whole_file(path.with_suffix(".md")) as draft:
                draft.write_text(self.page(rows), encoding="utf-8")
        return rows


def number(key: str, digits: int) -> Callable[[Row], str]:
    """A column of numbers; `n/a` where a row has none."""
    return lambda row: markdown.number(row.get(key), digits)


def sizes(key: str) -> Callable[[Row], str]:
    """A column of voxels along the axes."""
    return lambda row: "x".join(f"{size:g}" for size in row[key])


def timed(make: Callable[[], np.ndarray]) -> tuple[np.ndarray, dict[str, float]]:
    """A result, and the seconds of wall clock and of processor time that it took."""
    wall, processor = time.perf_counter(), time.process_time()
    result = make()
    return result, {
        "seconds": round(time.perf_counter() - wall, 2),
        "cpu_seconds": round(time.process_time() - processor, 2),
    }
