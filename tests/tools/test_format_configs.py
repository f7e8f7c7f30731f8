"""The layout of the configs: what it looks like, that it is stable, and that values stay as they are."""

from __future__ import annotations

import json

import pytest

from meddiff_core.errors import InputError
from tools.format_configs import WIDTH, format_configs, typeset

VALUES = {
    "imports": ["$import torch"],
    "seed": 0,
    "empty": [{}, []],
    "text": 'a "quoted" \\ \u03bb, with "key": inside',
    "network": {"_target_": "package.Network", "channels": [32, 64], "options": {"bias": None}},
    "schedule": {"_target_": "package.NoiseSchedule"} | {f"option_{n}": "@option_id" for n in range(6)},
    "steps": list(range(60)),
    "names": [f"a rather long name, number {n}" for n in range(6)],
    "train": {"transforms": [{"_target_": "Flip", "axis": 0}, {"_target_": "Flip", "axis": 1}], "rate": 1e-3},
}

TYPESET = """{
    "imports": ["$import torch"],
    "network": {"_target_": "package.Network", "channels": [32, 64], "options": {"bias": null}},
    "schedule": {
        "_target_": "package.NoiseSchedule", "option_0": "@option_id", "option_1": "@option_id",
        "option_2": "@option_id", "option_3": "@option_id", "option_4": "@option_id", "option_5": "@option_id"
    },
    "train": {
        "transforms": [
            {"_target_": "Flip", "axis": 0},
            {"_target_": "Flip", "axis": 1}
        ],
        "rate": 0.001
    }
}
"""


def test_one_component_a_line_and_arguments_packed():
    text = typeset(json.dumps({key: VALUES[key] for key in ("imports", "network", "schedule", "train")}))
    assert text == TYPESET


@pytest.mark.parametrize("indent", [None, 1, 4])
def test_values_stay_lines_are_short_and_the_layout_is_stable(indent):
    text = typeset(json.dumps(VALUES, indent=indent, ensure_ascii=indent is None))
    assert json.loads(text) == VALUES and list(json.loads(text)) == list(VALUES)
    assert max(map(len, text.splitlines())) <= WIDTH
    assert typeset(text) == text


def test_paragraphs_are_kept_and_one_blank_line_parts_them():
    text = typeset('{\n\n"image": null,\n \n\n"run": [1,\n\n2],\n"train": {"a": {},\n\n"b": {}}}')
    assert text == '{\n    "image": null,\n\n    "run": [1, 2],\n    "train": {"a": {}, "b": {}}\n}\n'


def test_check_names_what_is_not_typeset_and_changes_nothing(tmp_path):
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(typeset('{"a": 1}'))
    bad.write_text('{"a":1}')
    with pytest.raises(InputError, match=r"bad\.json") as caught:
        format_configs(good, bad, check=True)
    assert "good.json" not in str(caught.value) and bad.read_text() == '{"a":1}'
    format_configs(good, bad)
    assert bad.read_text() == good.read_text()
    format_configs(good, bad, check=True)


@pytest.mark.parametrize("text", ['{"a": 1,}', None])
def test_what_is_no_json_is_named(tmp_path, text):
    path = tmp_path / "config.json"
    if text:
        path.write_text(text)
    with pytest.raises(InputError, match=r"config\.json"):
        format_configs(path)


def test_short_options_of_a_paragraph_share_lines():
    text = typeset('{"image": null,\n\n"overlap": null, "batch": 1, "windows": [], "seed": 0}')
    assert (
        text
        == '{\n    "image": null,\n\n    "overlap": null, "batch": 1,\n    "windows": [],\n    "seed": 0\n}\n'
    )
