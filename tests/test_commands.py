"""Options of a command line arrive as they were typed, or are refused before anything is done."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from meddiff_core.commands import run_command, with_options, words_of
from meddiff_core.errors import InputError


@pytest.fixture
def seen():
    return []


@pytest.fixture
def command(seen):
    def make(
        folder: str, pattern: str | None = None, sizes: str | tuple[int, ...] = (1, 2), flag: bool = False
    ):
        seen.append((folder, pattern, sizes, flag))

    return make


@pytest.mark.parametrize(
    ("words", "values"),
    [
        ("--folder 2024", ("2024", None, (1, 2), False)),
        ("--folder a --pattern (p1)", ("a", "(p1)", (1, 2), False)),
        ("a --sizes 3,4 --flag", ("a", None, (3, 4), True)),
        ("--folder=a --flag true --pattern=--x", ("a", "--x", (1, 2), "true")),
    ],
)
def test_texts_stay_texts(command, seen, words, values):
    run_command(command, words.split())
    assert seen == [values]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--folder a --patern x", "Unknown option --patern: did you mean --pattern?"),
        ("--folder a --zzz", "Unknown option --zzz: use --folder, --pattern, --sizes, --flag."),
    ],
)
def test_an_unknown_option_is_refused_before_the_command_runs(command, seen, words, sentence):
    with pytest.raises(InputError) as refused:
        run_command(command, words.split())
    assert str(refused.value) == sentence and not seen


def test_the_first_word_chooses_of_several_commands(command, seen):
    run_command({"make": command, "other": lambda: None}, ["make", "--folder", "7"])
    assert seen == [("7", None, (1, 2), False)]
    with pytest.raises(InputError, match="--foldr"):
        run_command({"make": command}, ["make", "--foldr", "7"])


def test_the_fields_of_a_dataclass_are_options(seen, capsys):
    @dataclass
    class Options:
        """Bake a cake.

        Args:
            flour: how much.
        """

        flour: int = 1
        name: str = ""

    run_command(with_options(Options, seen.append), ["--name", "3", "--flour", "3"])
    assert seen == [Options(3, "3")]
    with pytest.raises(SystemExit) as end:
        run_command(with_options(Options, seen.append), ["--help"])
    assert end.value.code == 0 and len(seen) == 1


@pytest.mark.parametrize(
    ("value", "words"),
    [("a, b", ["a", "b"]), (("a", 2), ["a", "2"]), (4, ["4"]), ("a", ["a"]), (None, []), ((), [])],
)
def test_words_of_a_list(value, words):
    assert words_of(value) == words
