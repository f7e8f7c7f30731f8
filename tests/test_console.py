"""Messages on consoles that lack a character, and in pipes that nobody reads."""

from __future__ import annotations

import io
import logging
import os
import sys

import pytest

from meddiff_core.console import discard_unread, prepare_console


@pytest.fixture
def stdout(monkeypatch):
    """stdout(file, encoding) -> a console of that encoding, for print and log."""

    def replace(file, encoding):
        stream = io.TextIOWrapper(file, encoding=encoding, write_through=True)
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setattr(logging, "raiseExceptions", True)
        handler = logging.StreamHandler(stream)
        logger = logging.getLogger("meddiff.console")
        logger.addHandler(handler)
        request.append((logger, handler))
        return logger

    request: list = []
    yield replace
    for logger, handler in request:
        logger.removeHandler(handler)


@pytest.mark.parametrize(
    "name", ["日本.nii.gz", "gr\udce9.nii.gz", "Müller.nii.gz"], ids=["kanji", "surrogate", "umlaut"]
)
@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_any_name_can_be_told(stdout, capfd, name, encoding):
    written = io.BytesIO()
    logger = stdout(written, encoding)
    prepare_console()
    logger.warning("Wrote %s", name)
    print(name)
    assert written.getvalue().decode(encoding).count(".nii.gz") == 2
    assert "Logging error" not in capfd.readouterr().err


def test_a_closed_pipe_ends_nothing(stdout, capfd):
    read, write = os.pipe()
    logger = stdout(os.fdopen(write, "wb"), "utf-8")
    prepare_console()
    os.close(read)
    for _ in range(3):
        logger.warning("Wrote a file")
    discard_unread()
    sys.stdout.flush()
    assert "rror" not in capfd.readouterr().err
