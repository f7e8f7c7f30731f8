"""Messages reach any console, and none of them stops a run."""

from __future__ import annotations

import atexit
import io
import logging
import os
import sys


def prepare_console() -> None:
    """Write what the console's encoding lacks as escapes, and go on where nobody reads any more.

    A file's name may hold any character; a console of Windows shows a few hundred. Commands such as `head`
    close their pipe early: the results are to be written all the same.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    logging.raiseExceptions = False  # a message that cannot be written is no error of the program
    atexit.register(discard_unread)


def discard_unread() -> None:
    """Drop what a closed pipe did not take; Python would complain of it at the very end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
