"""A preset's name becomes its options."""

from __future__ import annotations

import pytest

from meddiff_core.errors import InputError, check_flag
from meddiff_core.inferers.presets import choose_preset

PRESETS = {"fast": {"steps": 1}, "paper": {"steps": 1000}}


def test_the_name_decides():
    assert choose_preset(PRESETS, "paper") == {"steps": 1000}


@pytest.mark.parametrize("name", ["slow", "", None, 3])
def test_another_name_is_one_sentence_with_the_names(name):
    with pytest.raises(InputError) as caught:
        choose_preset(PRESETS, name)
    assert str(caught.value) == f"preset is {name!r}: use one of fast, paper."


@pytest.mark.parametrize(
    ("value", "flag"), [(True, True), (False, False), ("true", True), ("False", False), ("TRUE", True)]
)
def test_a_flag_may_be_a_word_of_the_command_line(value, flag):
    assert check_flag("dry_run", value) is flag


@pytest.mark.parametrize("value", ["yes", 1, 0, None, ""])
def test_anything_else_is_no_flag(value):
    with pytest.raises(InputError, match=r"dry_run is .*: use true or false"):
        check_flag("dry_run", value)
