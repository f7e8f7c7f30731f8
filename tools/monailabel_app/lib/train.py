"""Fine-tuning of a bundle on the studies, with the bundle's own train.json."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

from monailabel.interfaces.datastore import Datastore
from monailabel.tasks.train.bundle import BundleTrainTask

from lib.studies import list_training_images, prepare
from meddiff_core.errors import show_sentences
from meddiff_core.files import whole_file

FINE_TUNED = "model_finetuned.pt"
"""Stands beside `model.pt`, which stays as it was packaged; `model_filename` chooses."""

_OPTIONS = ("epoch_length", "batch_size", "patch_size", "learning_rate", "num_workers")


class CTTrainTask(BundleTrainTask):
    """Trains on every image of the studies; bundles with lesions on those with a final label, the lesion.

    Args:
        path: folder of the packaged bundle.
        conf: of the app.
    """

    def config(self) -> dict[str, Any]:
        """MONAI Label's options and the most useful ones of train.json."""
        options = {name: self.bundle_config[name] for name in _OPTIONS}
        return super().config() | {"multi_gpu": False, "run_id": "run"} | options

    def __call__(self, request: dict[str, Any], datastore: Datastore) -> dict[str, Any]:
        """Train in a folder of its own, then put the weights beside those that it started from."""
        show_sentences()  # MONAI Label trains in a process of its own
        self.request = self.config() | request
        self.run_dir = Path(self.bundle_path, "runs", time.strftime("%Y%m%d-%H%M%S"))
        try:
            result = super().__call__(self.request, datastore)
            with whole_file(Path(self.bundle_path, "models", FINE_TUNED)) as draft:
                shutil.copyfile(self.run_dir / "model.pt", draft)
        finally:
            shutil.rmtree(self.run_dir / "data", ignore_errors=True)
        return result

    def _fetch_datalist(self, request: dict[str, Any], datastore: Datastore) -> list[dict[str, str]]:
        labelled = self.bundle_config.get("train#data#needs") == "lesion"
        return prepare(list_training_images(datastore, labelled), self.run_dir / "data")

    def _partition_datalist(self, datalist: list, request: dict[str, Any], shuffle: bool = False) -> tuple:
        """Neither part is empty; a single image serves as both."""
        held_back = min(max(1, round(request["val_split"] * len(datalist))), len(datalist) - 1)
        return (datalist[:-held_back], datalist[-held_back:]) if held_back else (datalist, datalist)

    def _load_checkpoint(self, model_pytorch: str, pretrained: bool, train_handlers: list) -> None:
        """Weights are loaded by `start_from`, before their average is set up; a handler would be late."""
        self.start_from = model_pytorch if pretrained else "$None"

    def _update_overrides(self, overrides: dict[str, Any]) -> dict[str, Any]:
        overrides |= {name: self.request[name] for name in _OPTIONS}
        overrides |= {
            "start_from": self.start_from,
            "output_dir": str(self.run_dir),
            "max_epochs": self.request["max_epochs"],
            "val_interval": 1,
            "train#data": overrides["train#dataset#data"],
            "validate#data": overrides["validate#dataset#data"],
        }
        if "trained_part" in self.bundle_config:  # of a packaged bundle the weights are complete
            overrides["trained_part"] = "$@ema.ema_model"
        return overrides
