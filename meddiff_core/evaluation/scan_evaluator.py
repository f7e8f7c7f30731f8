"""Inference and evaluation over scans: an unusable one does not stop the rest, and a summary names it."""

from __future__ import annotations

import logging
from enum import Enum
from pathlib import Path
from time import monotonic
from typing import Any

import torch
from ignite.engine import Events
from monai.engines import SupervisedEvaluator
from monai.engines.utils import IterationEvents

from meddiff_core.distributed import gathered, rank
from meddiff_core.errors import is_input_error, user_sentence
from meddiff_core.evaluation.journal import DONE
from meddiff_core.evaluation.scan_dataset import FAILED, USER_ERRORS

logger = logging.getLogger("meddiff")


class ScanEvaluator(SupervisedEvaluator):
    """MONAI's `SupervisedEvaluator` for scans of a `ScanDataset`, one per batch.

    A scan that fails in preprocessing, in the inferer or in postprocessing through the user's mistake (an
    `InputError`, a full disk) is skipped and counts in no metric. Bugs raise as they would in MONAI.

    A prediction that the inferer says is not for use (`gives_result`) is dropped: nothing is postprocessed,
    measured or written.
    """

    def run(self, global_epoch: int = 1) -> None:
        """Process all scans.

        Raises:
            SystemExit: something failed. The message, which Python prints before it exits with code 1, is the
                sentence where one scan was given, or a summary with a line per failed scan. Of several
                processes the first one says it for all.
        """
        self.failures: list[tuple[str, str]] = []
        self._skipped = False
        self._measured = False
        self._since = monotonic()
        if not len(self.data_loader.dataset):
            logger.info("Nothing is left to do.")
            return
        try:
            super().run(global_epoch)
        except Exception as error:  # before or after the scans, for example missing weights
            sentence = user_sentence(error)
            if sentence is None:
                raise
            raise SystemExit(sentence) from None
        # a process that only helps with the windows fails where the first one does
        helps = rank() > 0 and self._shares_windows
        # torchrun ends all processes when one fails, so this waits for those that still have scans to go
        failures = gathered([] if helps else self.failures)
        if failures:
            raise SystemExit(self._summary(failures) if rank() == 0 else 1)

    @property
    def _shares_windows(self) -> bool:
        """Whether several processes work on one scan."""
        return getattr(getattr(self.inferer, "runtime", None), "split_windows", False)

    def _iteration(self, engine: SupervisedEvaluator, batchdata: dict[str, Any]) -> dict[str, torch.Tensor]:
        failed = FAILED in batchdata
        self._skipped = failed or not getattr(self.inferer, "gives_result", True)
        if failed:
            self._fail(batchdata["image"][0], batchdata[FAILED][0])
            return {}
        # Postprocessing replaces the batch, the name has to be read before.
        name, number = _name(batchdata)
        try:
            output = super()._iteration(engine, batchdata)
        except Exception as error:
            sentence = user_sentence(error, USER_ERRORS)
            if sentence is None:
                raise
            if self._shares_windows and not is_input_error(error):
                # a full disk or memory here: the processes that share this scan must not wait for ever
                raise SystemExit(sentence) from None
            self._skipped = True
            self._fail(name, sentence, number)
            return {}
        if not self._skipped:
            self._note(name, number, DONE)
        return output

    def _fail(self, name: str, sentence: str, number: str = "") -> None:
        self.failures.append((name, sentence))
        self._note(name, number, FAILED, sentence)

    def _note(self, name: str, number: str, state: str, sentence: str = "") -> None:
        """A line in the journal; of processes that share a scan, the first writes it."""
        batch = getattr(self.data_loader.dataset, "batch", None)
        now = monotonic()
        if batch is not None and not (rank() > 0 and self._shares_windows):
            batch.journal.write(name, number, state, now - self._since, sentence)
        self._since = now

    def _fire_event(self, event_name: Enum, *args: Any, **kwargs: Any) -> None:
        # Postprocessing, metrics and handlers expect a prediction; ignite knows no iteration without one.
        if self._skipped and event_name in (IterationEvents.MODEL_COMPLETED, Events.ITERATION_COMPLETED):
            return
        # Metrics cannot be computed of nothing.
        if event_name is Events.EPOCH_COMPLETED and not self._measured:
            return
        self._measured |= event_name is Events.ITERATION_COMPLETED
        super()._fire_event(event_name, *args, **kwargs)

    def _summary(self, failures: list[tuple[str, str]]) -> str:
        total = len(self.data_loader.dataset)
        if total == 1:
            return failures[0][1]
        lines = [f"{len(failures)} of {total} scans failed:"]
        for name, sentence in failures:
            lines.append(f"  {sentence}" if name in sentence else f"  {Path(name).name}: {sentence}")
        return "\n".join(lines)


def _name(batchdata: dict[str, Any]) -> tuple[str, str]:
    """Path of the scan, and which of its results it is; empty where there is one."""
    meta = getattr(batchdata.get("image"), "meta", {})
    values = (meta.get("filename_or_obj", "scan"), meta.get("number", ""))
    path, number = (str(value[0] if isinstance(value, list) else value) for value in values)
    return path, number
