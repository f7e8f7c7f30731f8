"""What repeats between configs is equal, and every bundle has the files of the model zoo."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

BUNDLES = Path(__file__).parents[2] / "bundles"

NAMES = sorted(path.name for path in BUNDLES.iterdir() if path.is_dir())
CHANNELS = 5
"""Of the foundation's input: noisy image, three coordinates, anatomy."""


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


@pytest.mark.parametrize("name", NAMES)
def test_model_zoo_files(name):
    root = BUNDLES / name
    for file in ("LICENSE", "configs/metadata.json", "configs/inference.json", "configs/logging.conf"):
        assert (root / file).is_file()
    for file in ("docs/README.md", "docs/data_license.txt"):
        assert (root / file).stat().st_size > 0
    assert not list(root.rglob("*.py"))
    assert all(path.stat().st_size < 20_000_000 for path in root.rglob("*") if path.is_file())


@pytest.mark.parametrize("name", NAMES)
def test_metadata_is_complete_and_current(name):
    metadata = read(name, "metadata.json")
    assert metadata["version"] in metadata["changelog"]
    assert {"required_packages_version", "task", "description", "authors", "copyright"} <= metadata.keys()
    image = metadata["network_data_format"]["inputs"]["image"]
    controls = read(name, "inference.json")["network_def"].get("control_channels", 0)
    assert image["num_channels"] == len(image["channel_def"]) == CHANNELS + controls
    assert "Research use only" in metadata["intended_use"]
