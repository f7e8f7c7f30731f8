"""What the handlers that write tables after an evaluation have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from ignite.engine import Engine, Events

from meddiff_core.files import whole_file, write_json


class EvaluationReport(ABC):
    """Measures every scan, writes `<name>.json` and `<name>.md`, puts the means into `engine.state.metrics`.

    Where every scan failed it writes nothing; the evaluator says why. List it before a `MetricsSaver`.

    Args:
        output_dir: folder of the two files.
    """

    name: str

    def __init__(self, output_dir: str | Path) -> None:
        self.output_dir = Path(output_dir)

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator whose batch and output are lists of dictionaries, as MONAI's."""
        engine.add_event_handler(Events.EPOCH_STARTED, self.start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._measure)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._write)

    def start(self) -> None:
        """Forget what an earlier run has measured."""
        self.volumes: list[dict] = []

    @abstractmethod
    def measure(self, item: Mapping) -> dict:
        """The numbers of one scan, by which `self.volumes` grows."""

    @abstractmethod
    def result(self) -> dict:
        """Content of the JSON file; the numbers under `mean` are the metrics."""

    @abstractmethod
    def page(self, result: Mapping) -> str:
        """The same in Markdown."""

    def _measure(self, engine: Engine) -> None:
        for batch, output in zip(engine.state.batch, engine.state.output, strict=True):
            # what is neither input, label nor prediction stays in the batch
            self.volumes.append(self.measure({**batch, **output}))

    def _write(self, engine: Engine) -> None:
        if not self.volumes:
            return
        result = self.result()
        engine.state.metrics.update(result["mean"])
        write_json(self.output_dir / f"{self.name}.json", _plain(result))
        with whole_file(self.output_dir / f"{self.name}.md") as draft:
            # a file's name may hold bytes that no encoding knows
            draft.write_text(self.page(result), encoding="utf-8", errors="backslashreplace")


def means(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean of each number over the rows that have it and where it is not nan; left out where none has."""
    values: dict[str, list[float]] = {}
    for row in rows:
        for key, value in row.items():
            if not np.isnan(value):
                values.setdefault(key, []).append(value)
    return {key: float(np.mean(known)) for key, known in values.items()}


def _plain(value: object) -> object:
    """JSON has no nan."""
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    return None if value != value else value
