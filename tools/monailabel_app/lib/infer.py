"""Inference of a bundle: options of the panel, masks as masks, images as new images of the studies."""

from __future__ import annotations

import json
import tempfile
from ast import literal_eval
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import nibabel as nib
import numpy as np
from fastapi import HTTPException
from monai.transforms import SaveImaged
from monailabel.interfaces.datastore import Datastore, DefaultLabelTag
from monailabel.interfaces.tasks.infer_v2 import InferType
from monailabel.tasks.infer.bundle import BundleInferTask

from lib.studies import SOURCE
from meddiff_core.errors import user_sentence
from meddiff_core.reports.picture import SavePictured

# What a mask that comes with a request, such as a segment drawn in the viewer, means to a bundle.
_LABEL_KEYS = {
    "ct_anomaly_detection": "organ",
    "ct_lesion_inpainting": "lesion",
    "ct_lesion_generation": "lesion",
}


class CTInferTask(BundleInferTask):
    """Runs a bundle as its `inference.json` says, and hands its files to MONAI Label.

    The bundle's own transforms write the results, with type, geometry and provenance, into a temporary
    folder. CT volumes and maps are copied into the studies from there. What is sent back is the mask where
    there is one, else the volume; but no volume where a label map is wanted (`result_dtype` uint8, as of 3D
    Slicer, or `save_label`, as of a batch): a segment would be made of each HU.

    Args:
        path: folder of the packaged bundle.
        conf: of the app.
        studies: where new images go.
    """

    def __init__(self, path: Path, conf: dict[str, str], studies: Datastore) -> None:
        # The type keeps MONAI Label from taking anything named "detection" for a detector of boxes.
        super().__init__(
            str(path),
            conf,
            type=InferType.SEGMENTATION,
            post_filter=[SaveImaged, SavePictured],
            add_post_restore=False,
            load_strict=True,
        )
        self.name = path.name
        self.studies = studies
        self._one_at_a_time = Lock()  # options and folder of a request stand in the one config of the bundle
        outputs = json.loads((path / "configs" / "metadata.json").read_text())["network_data_format"]
        masks = [o for o in outputs.get("post_processed_outputs", {}).values() if o["type"] == "annotation"]
        self.labels = {name: 1 for mask in masks for name in mask["channel_def"].values()}

    def config(self) -> dict[str, Any]:
        """The panel's options; the list of weights knows fine-tuned ones that came since the start."""
        weights = sorted((path.name for path in Path(self.bundle_path, "models").glob("*.pt")), key=len)
        return self._config | {"model_filename": weights}

    def __call__(
        self, request: dict[str, Any], callbacks: dict[str, Any] | None = None
    ) -> tuple[str | None, dict[str, Any]]:
        """Run; a user's mistake is answered with status 400 and its sentence."""
        if not request.get("image"):
            raise HTTPException(404, "The studies have no image of this name: list them at /datastore/.")
        with self._one_at_a_time, tempfile.TemporaryDirectory() as folder:
            try:
                return super().__call__(request | {"results": folder}, callbacks)
            except Exception as error:
                sentence = user_sentence(error)
                if sentence is None:
                    raise
                raise HTTPException(400, sentence) from error

    def pre_transforms(self, data: dict[str, Any] | None = None) -> Sequence[Callable]:
        """The bundle's transforms, built with the request's options."""
        for name, default in self.displayable_configs.items():
            data[name] = _parsed(data[name], default)
        self.bundle_config["output_dir"] = data["results"]
        weights = data["model_filename"]
        weights = weights if isinstance(weights, str) else weights[0]
        # The config names the packaged weights, MONAI Label loads these into the network.
        results = self.bundle_config["results"]
        results["options"]["model_filename"] = weights
        results["weights"] = [str(Path(self.bundle_path, "models", weights))]
        return super().pre_transforms(data)

    def run_pre_transforms(self, data: dict[str, Any], transforms: Sequence[Callable]) -> dict[str, Any]:
        """The transforms see no options: an item's own region or organ would have the same key."""
        item = {key: value for key, value in data.items() if key not in self.displayable_configs}
        if data.get("label") and self.name in _LABEL_KEYS:
            item[_LABEL_KEYS[self.name]] = data["label"]
        return super().run_pre_transforms(item, transforms)

    def writer(
        self, data: dict[str, Any], extension: str | None = None, dtype: Any = None
    ) -> tuple[Any, dict]:
        """Copy volumes to the studies; write what is sent back."""
        files = sorted(Path(data["results"]).glob("*.nii.gz"))
        masks = [file for file in files if file.name.endswith("_mask.nii.gz")]
        volumes = [file for file in files if file not in masks]
        data["result"] = {"images": [self._add(file, data["image_path"]) for file in volumes]}
        if not masks and (data.get("result_dtype") == "uint8" or data.get("save_label")):
            return None, data["result"]
        image = nib.load((masks or volumes)[0])
        data["pred"], data["pred_meta_dict"] = np.asarray(image.dataobj), {"affine": image.affine}
        if masks:  # all findings have the panel's one label
            data["pred"] = np.uint8(data["pred"] > 0)
        extension = extension or data.get("result_extension") or ".nii.gz"
        return super().writer(data, extension, dtype or data.get("result_dtype") or image.get_data_dtype())

    def _add(self, file: Path, source: str) -> str:
        """A result as a new image, with the mask of what was put into it as its label."""
        name = file.name.removesuffix(".nii.gz")
        record, mask = file.with_name(f"{name}.json"), file.with_name(f"{name}_mask.nii.gz")
        info = {SOURCE: Path(source).name, "model": self.name}
        if record.is_file():
            info["provenance"] = json.loads(record.read_text(encoding="utf-8"))
        self.studies.add_image(name, str(file), info)
        if mask.is_file():
            self.studies.save_label(name, str(mask), DefaultLabelTag.ORIGINAL, {"model": self.name})
        return name


def _parsed(value: Any, default: Any) -> Any:
    """An option as the panel sends it: text of a number is a number, empty text the default."""
    if not isinstance(value, str):
        return value
    if not value.strip():
        return default
    try:
        return literal_eval(value)
    except (ValueError, SyntaxError):
        return value
