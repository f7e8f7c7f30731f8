"""The weights that a scan has taught, beside its result."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping

from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from meddiff_core.errors import InputError
from meddiff_core.training.adaptation import Adaptation
from meddiff_core.training.weight_export import export_weights
from meddiff_core.transforms.results import Results

logger = logging.getLogger("meddiff")


class SaveAdaptedd(MapTransform):
    """Writes `<stem>_adapted.pt`, a state dict in float16, where a scan has taught the network something.

    Args:
        keys: the result, whose metadata name the scan.
        adaptation: what has trained; its last scan is this one.
        results: where results lie.

    Raises:
        InputError: there is no adaptation; when called, if the file cannot be written.
    """

    def __init__(self, keys: KeysCollection, adaptation: Adaptation | None, results: Results) -> None:
        super().__init__(keys)
        if adaptation is None:
            raise InputError("save_adapted has nothing to save: give adapt the minutes to train.")
        self.adaptation = adaptation
        self.results = results

    def __call__(self, data: Mapping[Hashable, MetaTensor]) -> dict[Hashable, MetaTensor]:
        result = dict(data)
        for key in self.key_iterator(result):
            if self.adaptation.adapted is None:
                logger.info("No adapted weights are written: the scan taught the network nothing.")
                continue
            path = self.results.path(result[key].meta, "adapted", ".pt")
            export_weights(self.adaptation.adapted, path)
            logger.info("Wrote %s", path)
        return result
