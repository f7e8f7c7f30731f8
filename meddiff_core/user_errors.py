"""Tell the user's mistakes from the program's, and show the former without a traceback."""

from __future__ import annotations

import sys
from types import TracebackType

from meddiff_core.errors import InputError


def user_sentence(error: BaseException, kinds: tuple[type[BaseException], ...] = (InputError,)) -> str | None:
    """The sentence of a user's mistake, also where MONAI has wrapped it in a RuntimeError.

    Args:
        error: what was raised.
        kinds: the exceptions that mean a user's mistake.

    Returns:
        its message, or None if `error` and its causes are something else: a bug.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, kinds):
            return str(cause)
        cause = cause.__cause__
    return None


def show_sentences() -> None:
    """Let an uncaught `InputError` end the program with its sentence on stderr and exit code 1.

    Mistakes in a bundle's options surface while the config is parsed, where no code of ours can catch them.
    """

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        sentence = user_sentence(error)
        if sentence is None:
            sys.__excepthook__(kind, error, trace)
        else:
            print(sentence, file=sys.stderr)

    sys.excepthook = hook
