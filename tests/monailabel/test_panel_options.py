"""The options of MONAI Label's panel reach the inferer like those of the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from monai.bundle import ConfigWorkflow

from meddiff_core.inferers.windows import Windows

BUNDLES = Path(__file__).parents[2] / "bundles"
NAMES = sorted(path.name for path in BUNDLES.iterdir() if path.is_dir())


@pytest.fixture
def inferer():
    """inferer(name, **options) -> the bundle's inferer, built with these options."""

    def build(name: str, **options):
        root = BUNDLES / name
        workflow = ConfigWorkflow(
            str(root / "configs" / "inference.json"),
            meta_file=str(root / "configs" / "metadata.json"),
            logging_file=False,
            workflow_type="infer",
            bundle_root=str(root),
            **options,
        )
        workflow.initialize()
        return workflow.parser.get_parsed_content("inferer")

    return build


@pytest.mark.parametrize("name", NAMES)
def test_panel_shows_plain_values_that_are_all_used(name):
    text = (BUNDLES / name / "configs" / "inference.json").read_text()
    options = json.loads(text)["displayable_configs"]
    assert options["region"] == "auto"
    assert "seed" in options
    for option, value in options.items():
        # 3D Slicer shows text, numbers and check boxes; of a list it makes a choice of strings.
        assert value is None or isinstance(value, str | int | float | bool), option
        assert f'"@displayable_configs#{option}"' in text, option


@pytest.mark.parametrize(
    ("name", "option", "value", "attribute", "expected"),
    [
        ("ct_foundation", "timestep", 200, "timestep", 200),
        ("ct_foundation", "steps", 5, "steps", 5),
        ("ct_denoising", "noise_level", 30.0, "noise_level", 30.0),
        ("ct_denoising", "preset", "fast", "windows", Windows.of("fast")),
        ("ct_synthesis", "preset", "fast", "steps", 5),
        ("ct_anomaly_detection", "preset", "fast", "samples", 1),
        ("ct_anomaly_detection", "polarity", "dark", "polarity", "dark"),
        ("ct_super_resolution", "fidelity", 3.0, "fidelity", 3.0),
        ("ct_lesion_generation", "region", "chest", "region", "chest"),
        ("ct_lesion_inpainting", "feather", 0.0, "feather", 0.0),
        ("ct_lesion_inpainting", "seed", 7, "seed", 7),
    ],
)
def test_panel_and_command_line_set_the_same(inferer, name, option, value, attribute, expected):
    assert getattr(inferer(name), attribute) != expected
    assert getattr(inferer(name, **{f"displayable_configs#{option}": value}), attribute) == expected
    assert getattr(inferer(name, **{option: value}), attribute) == expected


def test_diameters_of_lesions_are_two_numbers_on_the_panel_and_one_range_on_the_command_line():
    config = json.loads((BUNDLES / "ct_lesion_inpainting" / "configs" / "inference.json").read_text())
    assert config["lesion_diameter"] == [
        "@displayable_configs#smallest_diameter",
        "@displayable_configs#largest_diameter",
    ]
