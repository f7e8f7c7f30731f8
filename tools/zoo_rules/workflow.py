"""Whether MONAI can use a bundle's configs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from monai.bundle import ConfigParser, ConfigWorkflow, verify_net_in_out
from monai.bundle.properties import TrainProperties
from monai.utils import BundleProperty, BundlePropertyConfig

INFERENCE_KEYS = ("bundle_root", "device", "network_def", "inferer", "output_dir")
TRAIN_KEYS = (
    *INFERENCE_KEYS,
    "dataset_dir",
    "train::dataset::data",
    "train::handlers",
    "validate::evaluator",
    "validate::handlers",
    "validate::dataset::data",
)


def check_inference(bundle: Path) -> Iterator[str]:
    """The keys that the zoo's apps read, and MONAI's own check of the workflow, which builds the network."""
    config = bundle / "configs" / "inference.json"
    yield from _keys(config, INFERENCE_KEYS)
    workflow = ConfigWorkflow(
        str(config), workflow_type="infer", logging_file=False, bundle_root=str(bundle), device="cpu"
    )
    workflow.initialize()
    for name in workflow.check_properties() or ():
        yield f"configs/inference.json lacks the property {name} or names it wrongly: see MONAI's properties."


def check_training(bundle: Path) -> Iterator[str]:
    """The keys of a training, where there is one; the data it would need to be built is not."""
    config = bundle / "configs" / "train.json"
    if not config.is_file():
        return
    required = [p for p in TrainProperties.values() if p[BundleProperty.REQUIRED]]
    yield from _keys(config, {*TRAIN_KEYS, *(p[BundlePropertyConfig.ID] for p in required)})


def check_network(bundle: Path) -> Iterator[str]:
    """Channels and data type of the network's input and output as metadata.json has them."""
    configs = bundle / "configs"
    try:
        verify_net_in_out(
            net_id="network_def",
            meta_file=str(configs / "metadata.json"),
            config_file=str(configs / "inference.json"),
            device="cpu",
        )
    except ValueError as error:
        yield f"configs/metadata.json and the network differ ({error}): correct 'network_data_format'."


def _keys(config: Path, keys: Iterable[str]) -> Iterator[str]:
    parser = ConfigParser(json.loads(config.read_text(encoding="utf-8")))
    for key in sorted(keys):
        if key not in parser:
            yield f"configs/{config.name} has no {key}: apps of the zoo look for it."
