"""No sentence of the package sends a reader to a file that only the repository holds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "meddiff_core"
# A package zip holds the bundle's configs, docs and models, and meddiff_core.
ELSEWHERE = re.compile(r"\b(tools|tests|bundles)/|\w+\.md#|\bMakefile\b|`make [a-z]")


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.name)
def test_the_package_names_only_what_it_holds(path):
    found = [line.strip() for line in path.read_text().splitlines() if ELSEWHERE.search(line)]
    assert not found
