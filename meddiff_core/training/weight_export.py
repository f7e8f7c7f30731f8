"""Write the weights that a bundle ships: a float16 state dict."""

from __future__ import annotations

import logging
from pathlib import Path

import torch
from ignite.engine import Engine, Events
from torch import nn

from meddiff_core.files import whole_file

logger = logging.getLogger("meddiff")


def export_weights(network: nn.Module, path: str | Path) -> None:
    """Save the state dict of `network` with floating point tensors as float16; the file appears whole or not.

    Args:
        network: the network.
        path: the file to write; its folder is made.

    Raises:
        InputError: the file cannot be written.
    """
    state = {
        name: value.detach().cpu().half() if value.is_floating_point() else value.cpu()
        for name, value in network.state_dict().items()
    }
    with whole_file(path) as draft:
        torch.save(state, draft)


class WeightExport:
    """Handler: `export_weights` after every epoch, so that a stopped training leaves a usable model.

    Args:
        network: usually the moving average of the trained one.
        path: the file to write.
    """

    def __init__(self, network: nn.Module, path: str | Path) -> None:
        self.network = network
        self.path = path

    def attach(self, engine: Engine) -> None:
        """Run after every epoch of `engine`."""
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        export_weights(self.network, self.path)
        logger.info("Wrote %s, the weights after epoch %d.", self.path, engine.state.epoch)
