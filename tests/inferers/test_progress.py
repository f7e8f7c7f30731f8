"""Progress where the output is no terminal."""

from __future__ import annotations

import logging

import pytest

from meddiff_core.inferers.progress import progress


@pytest.mark.parametrize(("shown", "seconds", "lines"), [(True, 0, 4), (True, 60, 0), (False, 0, 0)])
def test_lines_in_a_log(caplog, capfd, shown, seconds, lines):
    caplog.set_level(logging.INFO, "meddiff")
    with progress(4, shown, seconds) as bar:
        for _ in range(4):
            bar.update()
    told = [record.getMessage() for record in caplog.records if record.name == "meddiff"]
    expected = [f"{25 * n} %, {n}.0 of 4 steps" for n in range(4 - lines + 1, 5)]
    assert [line.split(", 00:")[0] for line in told if not line.startswith("0 %")] == expected
    assert "\r" not in capfd.readouterr().err
