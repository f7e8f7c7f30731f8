"""Go on with a training where it stopped, and say what does not fit."""

from __future__ import annotations

import logging

import torch
from ignite.engine import Engine
from monai.handlers import CheckpointLoader

from meddiff_core.errors import InputError
from meddiff_core.networks.weights import UNREADABLE

logger = logging.getLogger("meddiff")


class Resume(CheckpointLoader):
    """MONAI's `CheckpointLoader` for a whole training, with a sentence where the checkpoint cannot be used.

    Raises:
        InputError: when the training starts, if the checkpoint is damaged, belongs to another network or
            optimizer, has epochs of another length, or holds more of them than are wanted.
    """

    def __call__(self, engine: Engine) -> None:
        """Load it into what is trained.

        Args:
            engine: the trainer, with the epochs that are wanted.
        """
        path, wanted, length = self.load_path, engine.state.max_epochs, engine.state.epoch_length
        cause = self._load(engine, wanted)
        done = engine.state.epoch
        if cause is not None or not self._optimizers_fit():
            problem = "is damaged, or of another network or optimizer: give the options of its training"
        elif engine.state.epoch_length != length:
            now = engine.state.epoch_length
            problem = f"has {now} iterations an epoch, and epoch_length is {length}: give {now}"
        elif done > wanted:
            problem = f"holds {done} epochs, and max_epochs is {wanted}: give more"
        else:
            if done == wanted:
                logger.warning("Nothing is left to do: %s holds all %s epochs of max_epochs.", path, done)
            else:
                logger.info("Going on after epoch %d of %d, from %s.", done, wanted, path)
            return
        raise InputError(
            f"The checkpoint {path} {problem} to go on with it, or another output_dir to start anew."
        ) from cause

    def _load(self, engine: Engine, wanted: int) -> Exception | None:
        """What was raised because the checkpoint is damaged or does not fit."""
        try:
            super().__call__(engine)
        except torch.OutOfMemoryError:
            raise
        except UNREADABLE as error:
            # MONAI refuses too many epochs with a mere ValueError, after loading
            return None if engine.state.epoch > wanted else error
        return None

    def _optimizers_fit(self) -> bool:
        """Torch takes the settings of any optimizer, and fails at the first step."""
        optimizers = [part for part in self.load_dict.values() if isinstance(part, torch.optim.Optimizer)]
        return all(part.defaults.keys() <= group.keys() for part in optimizers for group in part.param_groups)
