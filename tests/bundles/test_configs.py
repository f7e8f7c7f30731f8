"""What repeats between configs is equal. The rules of the model zoo: tests/tools/test_verify_bundles.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

BUNDLES = Path(__file__).parents[2] / "bundles"

NAMES = sorted(path.name for path in BUNDLES.iterdir() if path.is_dir())
CHANNELS = 5
"""Of the foundation's input: noisy image, three coordinates, anatomy."""

OF_THE_TASK = {
    "inference.json": {
        *("dataset_dir", "displayable_configs", "network_def", "network", "results", "preprocessing"),
        *("batch", "dataset", "inferer", "postprocessing", "steps", "timestep", "samples", "presets"),
        *("windows", "overlap", "window_size", "moving_windows", "skip_air"),
        *("foundation_weights", "control_weights", "adaptation"),
    },
    "train.json": {
        *("output_dir", "max_epochs", "learning_rate", "level_weights", "network_def", "network", "loss"),
        *("optimizer", "ema", "maps", "train", "validate"),
    },
    "multi_gpu_train.json": {"network"},
    "from_scratch.json": set(),
    "metadata.json": {
        *("version", "changelog", "weights_sha256", "name", "task", "description", "data_source"),
        *("image_classes", "intended_use", "references", "network_data_format", "eval_metrics"),
    },
}
"""Ids of a config that may differ between bundles; every other id that several have means the same in all."""


def read(name: str, config: str):
    """A config as it is written."""
    return json.loads((BUNDLES / name / "configs" / config).read_text())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("config", ["train.json", "inference.json"])
def test_what_repeats_is_equal(name, config):
    if not (BUNDLES / name / "configs" / config).is_file():
        pytest.skip(f"{name} has no {config}")
    reference = read("ct_foundation", "train.json")
    ours = read(name, config)
    assert ours["schedule"] == reference["schedule"]
    network = ours["network_def"]
    assert network.get("foundation", network) == reference["network_def"]
    assert network == read(name, "inference.json")["network_def"]


@pytest.mark.parametrize("config", OF_THE_TASK)
def test_what_bundles_share_is_equal(config):
    configs = [read(name, config) for name in NAMES if (BUNDLES / name / "configs" / config).is_file()]
    assert len(configs) > 1
    for key in set().union(*configs) - OF_THE_TASK[config]:
        values = [default(content, key) for content in configs if key in content]
        assert all(value == values[0] for value in values), key


def default(config: dict, key: str):
    """The value of an id, also where it refers to the options that MONAI Label shows."""
    shown = config.get("displayable_configs", {})
    return shown[key] if config[key] == f"@displayable_configs#{key}" else config[key]


@pytest.mark.parametrize("file", ["LICENSE", "configs/logging.conf"])
def test_every_bundle_has_the_same_file(file):
    assert len({(BUNDLES / name / file).read_bytes() for name in NAMES}) == 1


@pytest.mark.parametrize("name", NAMES)
def test_metadata_names_the_channels_of_the_network(name):
    image = read(name, "metadata.json")["network_data_format"]["inputs"]["image"]
    controls = read(name, "inference.json")["network_def"].get("control_channels", 0)
    assert image["num_channels"] == len(image["channel_def"]) == CHANNELS + controls
