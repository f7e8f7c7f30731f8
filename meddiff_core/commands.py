"""Functions as commands: `fire` makes options of their parameters."""

from __future__ import annotations

import difflib
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import fire

from meddiff_core.errors import InputError, show_sentences

Command = Callable[..., None]


def run_command(command: Command | Mapping[str, Command], words: Sequence[str] | None = None) -> None:
    """Run a command with the options of the command line; mistakes end it with one sentence.

    Args:
        command: a function, or several by the name that the first word gives.
        words: the command line without the program's name; `None` for that of this process.

    Raises:
        InputError: an option does not exist. `fire` alone would say so only after the command has run.
    """
    show_sentences()
    words = list(sys.argv[1:] if words is None else words)
    chosen = command if callable(command) else command.get(words[0] if words else "")
    if chosen is not None:
        _check_options(words, list(inspect.signature(chosen).parameters))
    fire.Fire(command if callable(command) else dict(command), command=words)


def with_options(options: type, function: Callable[[Any], None]) -> Command:
    """A command whose options are the fields of a dataclass, for functions that take such an object.

    Args:
        options: the dataclass; its docstring is the command's help.
        function: takes one object of it.
    """

    def command(*values: Any, **named: Any) -> None:
        function(options(*values, **named))

    command.__signature__ = inspect.signature(options)
    command.__doc__ = options.__doc__
    return command


def words_of(value: str | int | float | Sequence | None) -> list[str]:
    """`a,b` as a list; `fire` has split it already where it could, and made a number of a single one."""
    if value is None:
        return []
    words = value if isinstance(value, list | tuple) else str(value).split(",")
    return [str(word).strip() for word in words]


def _check_options(words: Sequence[str], known: Sequence[str]) -> None:
    for word in words:
        name = word.removeprefix("--").partition("=")[0].replace("-", "_")
        if word == "--":  # what follows are the options of fire itself
            return
        if not word.startswith("--") or name in (*known, "help"):
            continue
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean --{close[0]}?" if close else f"use --{', --'.join(known)}."
        raise InputError(f"Unknown option --{name}: {hint}")
