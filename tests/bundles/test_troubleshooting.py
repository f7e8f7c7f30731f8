"""Every sentence that the troubleshooting page quotes is one that the program can say."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOLE = "\0"
"""Stands for a value in a sentence of the source."""
_FORMAT = re.compile(r"%[.\d]*[a-z]")  # a value in a sentence for the log


def quoted():
    """Sentences of the page, a line each; `...` stands for a value."""
    text = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    return [line[2:].strip() for line in text.splitlines() if line.startswith("> ")]


@cache
def spoken() -> tuple[str, ...]:
    """All texts in the package's source."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "meddiff_core").rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            texts.append(
                "".join(
                    getattr(part, "value", HOLE) if isinstance(part, ast.Constant) else HOLE
                    for part in node.values
                )
            )
    return tuple(_FORMAT.sub(HOLE, text).replace("%%", "%") for text in texts)


@pytest.mark.parametrize("sentence", quoted())
def test_sentence(sentence):
    parts = [re.escape(part) for part in sentence.split("...")]
    pattern = re.compile(f"[{HOLE}.\\d]*".join(parts))
    assert any(pattern.fullmatch(text) or pattern.search(text) for text in spoken()), sentence
