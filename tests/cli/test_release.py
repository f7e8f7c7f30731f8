"""One version everywhere: package, bundles, citation, changelog."""

from __future__ import annotations

import json
import re

from doc_commands import ROOT

from meddiff_core import __version__


def test_one_version_everywhere():
    named = {
        "CITATION.cff": r"^version: (.+)$",
        "CHANGELOG.md": r"^## (.+)$",
        "pyproject.toml": r'^version = "(.+)"$',
    }
    found = {name: re.search(pattern, (ROOT / name).read_text(), re.M)[1] for name, pattern in named.items()}
    for path in ROOT.glob("bundles/*/configs/metadata.json"):
        found[path.parts[-3]] = json.loads(path.read_text())["version"]
    assert len(found) == 10 and set(found.values()) == {__version__}
