"""Functions as commands: `fire` makes options of their parameters."""

from __future__ import annotations

import difflib
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import fire
from fire.decorators import SetParseFns

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
    for function in [command] if callable(command) else command.values():
        texts = [name for name, kind in _parameters(function).items() if kind in ("str", "str | None")]
        SetParseFns(**dict.fromkeys(texts, str))(
            function
        )  # else `fire` makes a number of a folder named 2024
    chosen = command if callable(command) else command.get(words[0] if words else "")
    if chosen is not None:
        _check_options(words, list(_parameters(chosen)))
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


def three_numbers(name: str, value: Any, wanted: str) -> tuple:
    """An option of three numbers above 0, such as `1,1,5`.

    Raises:
        InputError: it is something else; names the option and what is `wanted`.
    """
    numbers = value if isinstance(value, tuple | list) else ()
    if len(numbers) != 3 or not all(isinstance(n, int | float) and n > 0 for n in numbers):
        raise InputError(f"--{name} is {value}: give three numbers above 0 {wanted}.")
    return tuple(numbers)


def _parameters(function: Command) -> dict[str, str]:
    """Names of its parameters, and their types as they are written."""
    return {name: str(value.annotation) for name, value in inspect.signature(function).parameters.items()}


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
