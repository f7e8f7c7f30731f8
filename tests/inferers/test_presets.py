"""A preset's name becomes its options."""

from __future__ import annotations

import pytest

from meddiff_core.errors import InputError, check_flag
from meddiff_core.inferers.presets import choose_preset
from meddiff_core.inferers.windows import Windows

PRESETS = {"fast": {"steps": 1}, "paper": {"steps": 1000}}


def test_the_name_decides():
    assert choose_preset(PRESETS, "paper") == {"steps": 1000}


@pytest.mark.parametrize("name", ["slow", "", None, 3])
def test_another_name_is_one_sentence_with_the_names(name):
    with pytest.raises(InputError) as caught:
        choose_preset(PRESETS, name)
    assert str(caught.value) == f"preset is {name!r}: use one of fast, paper."


def test_windows_of_a_preset_but_for_what_is_given():
    assert Windows.of("balanced") == Windows()
    assert Windows.of("fast", size=None, overlap=None) == Windows(overlap=0.0)
    paper = Windows.of("paper", overlap=0.25, batch=2)
    assert paper == Windows(128, 0.25, 2, moving=False, skip_air=False)
    assert Windows.of("paper", moving="true").moving is True
    with pytest.raises(InputError, match=r"preset is 'slow': use one of fast, balanced, paper"):
        Windows.of("slow")


@pytest.mark.parametrize(
    ("value", "flag"), [(True, True), (False, False), ("true", True), ("False", False), ("TRUE", True)]
)
def test_a_flag_may_be_a_word_of_the_command_line(value, flag):
    assert check_flag("dry_run", value) is flag


@pytest.mark.parametrize("value", ["yes", 1, 0, None, ""])
def test_anything_else_is_no_flag(value):
    with pytest.raises(InputError, match=r"dry_run is .*: use true or false"):
        check_flag("dry_run", value)
