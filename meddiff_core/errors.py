"""What a user gave that cannot be used: the exception, the checks of options, and the one sentence shown."""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any

import torch

from meddiff_core.console import prepare_console

_INTERRUPTED = "Interrupted: results that are written so far are whole."
# Names of a long list that a sentence tells.
_NAMED = 3
_LARGEST_SEED = 2**32 - 1


class InputError(ValueError):
    """A file, option or weight that cannot be used as given.

    The message is one sentence for the person who typed the command: it names the value and says what to do.
    The command line shows that sentence alone, without a traceback, and exits with code 1.
    """


def check_flag(name: str, value: object) -> bool:
    """Whether an option is on; `--option false` arrives as a text, which Python would take for true.

    Raises:
        InputError: the value is neither true nor false; names the option.
    """
    if str(value).lower() not in ("true", "false"):
        raise InputError(f"{name} is {value!r}: use true or false.")
    return str(value).lower() == "true"


def check_choice(name: str, value: Any, choices: Iterable[str]) -> Any:
    """Return `value` if it is one of `choices`.

    Raises:
        InputError: it is none of them; names the option and all choices.
    """
    if value not in (known := list(choices)):
        raise InputError(f"{name} is {value!r}: use one of {', '.join(known)}.")
    return value


def check_number(name: str, value: Any, wanted: str, valid: Callable[[Any], bool]) -> None:
    """Raise `InputError` naming the option, unless `value` is a finite number for which `valid` holds."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not is_number or not valid(value):
        raise InputError(f"{name} is {value!r}: use {wanted}.")


def check_count(name: str, value: Any, least: int = 1, most: float = math.inf) -> None:
    """Raise `InputError` naming the option, unless `value` is a whole number from `least` to `most`."""
    wanted = f"a whole number of at least {least}" + (f" and at most {most}" if most < math.inf else "")
    check_number(name, value, wanted, lambda v: least <= v <= most and v == int(v))


def check_seed(value: Any) -> int:
    """Return the seed of a run.

    Raises:
        InputError: it is no whole number of at most 32 bits.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LARGEST_SEED:
        raise InputError(f"seed is {value!r}: use a whole number from 0 to {_LARGEST_SEED}.")
    return value


def user_sentence(error: BaseException, kinds: tuple[type[BaseException], ...] = (InputError,)) -> str | None:
    """The sentence of a user's mistake, also where MONAI has wrapped it in a RuntimeError.

    Args:
        error: what was raised.
        kinds: the exceptions that mean a user's mistake.

    Returns:
        its message, or one for too little memory; None if `error` and its causes are something else: a bug.
    """
    for cause in _causes(error):
        if isinstance(cause, kinds):
            return str(cause)
        if _out_of_memory(cause):
            return (
                "Out of memory: use a smaller window_size, such as 64, with window_batch 1, or crop the scan."
            )
    return None


def is_input_error(error: BaseException) -> bool:
    """Whether it comes from what was given, and so would come anywhere: not of a full disk or memory."""
    return any(isinstance(cause, InputError) for cause in _causes(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _out_of_memory(error: BaseException) -> bool:
    # On the CPU torch raises a mere RuntimeError.
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def show_sentences() -> None:
    """Let an uncaught `InputError` end the program with its sentence on stderr and exit code 1.

    Mistakes in a bundle's options surface while the config is parsed, where no code of ours can catch them.
    An interrupt (Ctrl-C) and a termination (SIGTERM) end with one line, too, and nothing half-written stays.
    """

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        sentence = user_sentence(error)
        if sentence is None and issubclass(kind, KeyboardInterrupt):
            sentence = _INTERRUPTED
        if sentence is not None:
            print(sentence, file=sys.stderr)
        elif not issubclass(kind, BrokenPipeError):  # nobody reads on, as of `| head`
            sys.__excepthook__(kind, error, trace)

    prepare_console()
    sys.excepthook = hook

    # The default ends the process without a `finally`; only the main thread may set a handler.
    main_thread = threading.current_thread() is threading.main_thread()
    if main_thread and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminate)


def _terminate(number: int, frame: FrameType | None) -> None:
    # A handler may not call print while the program prints. The helpers of a data loader stay silent.
    if multiprocessing.parent_process() is None:
        with suppress(OSError):  # nobody reads
            os.write(2, f"{_INTERRUPTED}\n".encode())
    raise SystemExit(128 + number)


def listed(names: Mapping[str, Sequence[str]]) -> str:
    """Names by what they are: "a, b (folder), c (no volume)"."""
    return ", ".join(f"{some_of(these)} ({kind})" for kind, these in names.items() if these)


def some_of(names: Sequence[str]) -> str:
    """The first few of many names, and how many more there are: "a, b, c and 4 more"."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
