"""Inference and evaluation over scans: an unusable one does not stop the rest, and a summary names it."""

from __future__ import annotations

import logging
from enum import Enum
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Events
from monai.engines import SupervisedEvaluator
from monai.engines.utils import IterationEvents

from meddiff_core.distributed import gathered, rank
from meddiff_core.errors import is_input_error, user_sentence
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
        if not len(self.data_loader.dataset):
            logger.warning("There is nothing to do: there are fewer scans than parts.")
            return
        self.failures: list[tuple[str, str]] = []
        self._skipped = False
        self._measured = False
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
            self.failures.append((batchdata["image"][0], batchdata[FAILED][0]))
            return {}
        # Postprocessing replaces the batch, the name has to be read before.
        name = _name(batchdata)
        try:
            return super()._iteration(engine, batchdata)
        except Exception as error:
            sentence = user_sentence(error, USER_ERRORS)
            if sentence is None:
                raise
            if self._shares_windows and not is_input_error(error):
                # a full disk or memory here: the processes that share this scan must not wait for ever
                raise SystemExit(sentence) from None
            self._skipped = True
            self.failures.append((name, sentence))
            return {}

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


def _name(batchdata: dict[str, Any]) -> str:
    image = batchdata.get("image")
    names = getattr(image, "meta", {}).get("filename_or_obj", "scan")
    return names[0] if isinstance(names, list) else str(names)
