"""The whole state of a training in one file: saved after every epoch, taken up when it is started again."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from ignite.handlers import Checkpoint, DiskSaver

from meddiff_core.distributed import rank
from meddiff_core.training.resume import Resume

logger = logging.getLogger("meddiff")

FILE_NAME = "checkpoint.pt"


class TrainingCheckpoint:
    """Handler: ignite's `Checkpoint` after every epoch, and `Resume` where its file is there at the start.

    Args:
        output_dir: folder of `checkpoint.pt`; made.
        device: where a checkpoint is loaded to.
        **parts: what has a state, by its name in the file, such as network; the trainer is added.
    """

    def __init__(self, output_dir: str | Path, device: torch.device | str, **parts: Any) -> None:
        self.path = Path(output_dir) / FILE_NAME
        self.device = device
        self.parts = parts

    def attach(self, engine: Engine) -> None:
        """Follow the trainer `engine`."""
        state = self.parts | {"trainer": engine}
        if self.path.exists():
            Resume(load_path=str(self.path), load_dict=state, map_location=self.device).attach(engine)
        disk = DiskSaver(str(self.path.parent), require_empty=False)
        save = Checkpoint(state, disk, filename_pattern=FILE_NAME, n_saved=1)
        engine.add_event_handler(Events.EPOCH_COMPLETED, save)
        if rank() == 0:
            engine.add_event_handler(Events.EPOCH_COMPLETED, self._say)

    def _say(self, engine: Engine) -> None:
        logger.info("Wrote %s, to go on from epoch %d.", self.path, engine.state.epoch)
