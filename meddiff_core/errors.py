"""The one exception that means: what the user gave cannot be used; and how a sentence names many things."""

from collections.abc import Mapping, Sequence

_NAMED = 3


class InputError(ValueError):
    """A file, option or weight that cannot be used as given.

    The message is one sentence for the person who typed the command: it names the value and says what to do.
    The command line shows that sentence alone, without a traceback, and exits with code 1.
    """


def listed(names: Mapping[str, Sequence[str]]) -> str:
    """Names by what they are: "a, b (folder), c (no volume)"."""
    return ", ".join(f"{some_of(these)} ({kind})" for kind, these in names.items() if these)


def some_of(names: Sequence[str]) -> str:
    """The first few of many names, and how many more there are: "a, b, c and 4 more"."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
