"""Inference and evaluation over scans: an unusable one does not stop the rest, and a summary names it."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Events
from monai.engines import SupervisedEvaluator

from meddiff_core.engines.scan_dataset import FAILED, USER_ERRORS
from meddiff_core.user_errors import user_sentence


class ScanEvaluator(SupervisedEvaluator):
    """MONAI's `SupervisedEvaluator` for scans of a `ScanDataset`, one per batch.

    A scan that fails in preprocessing, in the inferer or in postprocessing through the user's mistake (an
    `InputError`, a full disk) is skipped and counts in no metric. Bugs raise as they would in MONAI.
    """

    def run(self, global_epoch: int = 1) -> None:
        """Process all scans.

        Raises:
            SystemExit: something failed. The message, which Python prints before it exits with code 1, is the
                sentence where one scan was given, or a summary with a line per failed scan.
        """
        self.failures: list[tuple[str, str]] = []
        self._skipped = False
        try:
            super().run(global_epoch)
        except Exception as error:  # before or after the scans, for example missing weights
            sentence = user_sentence(error)
            if sentence is None:
                raise
            raise SystemExit(sentence) from None
        if self.failures:
            raise SystemExit(self._summary())

    def _iteration(self, engine: SupervisedEvaluator, batchdata: dict[str, Any]) -> dict[str, torch.Tensor]:
        self._skipped = FAILED in batchdata
        if self._skipped:
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
            self._skipped = True
            self.failures.append((name, sentence))
            return {}

    def _fire_event(self, event_name: Enum, *args: Any, **kwargs: Any) -> None:
        # Metrics and handlers expect a prediction at this event; ignite knows no iteration without one.
        if event_name is Events.ITERATION_COMPLETED and self._skipped:
            return
        super()._fire_event(event_name, *args, **kwargs)

    def _summary(self) -> str:
        total = self.state.epoch_length
        if total == 1:
            return self.failures[0][1]
        lines = [f"{len(self.failures)} of {total} scans failed:"]
        for name, sentence in self.failures:
            lines.append(f"  {sentence}" if name in sentence else f"  {Path(name).name}: {sentence}")
        return "\n".join(lines)


def _name(batchdata: dict[str, Any]) -> str:
    image = batchdata.get("image")
    names = getattr(image, "meta", {}).get("filename_or_obj", "scan")
    return names[0] if isinstance(names, list) else str(names)
