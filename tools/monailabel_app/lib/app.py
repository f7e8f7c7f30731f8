"""The packaged bundles as models of MONAI Label."""

from __future__ import annotations

from pathlib import Path

from monailabel.interfaces.app import MONAILabelApp
from monailabel.interfaces.tasks.infer_v2 import InferTask
from monailabel.interfaces.tasks.strategy import Strategy
from monailabel.interfaces.tasks.train import TrainTask
from monailabel.tasks.activelearning.first import First
from monailabel.tasks.activelearning.random import Random

import meddiff_core
from lib.infer import CTInferTask
from lib.train import CTTrainTask


class MedDiffApp(MONAILabelApp):
    """Serves every bundle in the app's folder `model`; nothing is downloaded.

    Unlike MONAI Label's own app for bundles it knows images as results: they become new images of the
    studies.

    Args:
        app_dir: this app's folder.
        studies: the folder or server of the images.
        conf: `--conf` of `monailabel start_server`; `preload` is understood.
    """

    def __init__(self, app_dir: str, studies: str, conf: dict[str, str]) -> None:
        found = sorted(Path(app_dir, "model").glob("*/configs/metadata.json"))
        self.bundles = {path.parents[1].name: path.parents[1] for path in found}
        super().__init__(
            app_dir=app_dir,
            studies=studies,
            conf=conf,
            name="MedDiff-FM",
            description="Denoising, anomalies, thin slices and synthetic lesions of CT. Research use only.",
            version=meddiff_core.__version__,
        )

    def init_infers(self) -> dict[str, InferTask]:
        """One task per bundle."""
        return {name: CTInferTask(path, self.conf, self.datastore()) for name, path in self.bundles.items()}

    def init_trainers(self) -> dict[str, TrainTask]:
        """One task per bundle that has a train.json."""
        tasks = {name: CTTrainTask(str(path), self.conf) for name, path in self.bundles.items()}
        return {name: task for name, task in tasks.items() if task.is_valid()}

    def init_strategies(self) -> dict[str, Strategy]:
        """How the next image is chosen."""
        return {"first": First(), "random": Random()}
