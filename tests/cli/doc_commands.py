"""The commands, links and options in the Markdown files of the repository."""

from __future__ import annotations

import re
from pathlib import Path

from zoo_rules import markdown
from zoo_rules.markdown import Command

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    str(path.relative_to(ROOT))
    for pattern in ("*.md", "docs/**/*.md", "bundles/*/docs/*.md")
    for path in ROOT.glob(pattern)
    if path.name != "CHANGELOG.md"  # it names what is gone
)


def text_of(document: str) -> str:
    """What a document says."""
    return (ROOT / document).read_text(encoding="utf-8")


def blocks(document: str) -> list[tuple[str, str]]:
    """Language and content of the fenced blocks."""
    return markdown.blocks(text_of(document))


def commands(document: str) -> list[Command]:
    """Every command of a document, in its order."""
    return markdown.commands(text_of(document))


def all_commands() -> dict[Command, list[str]]:
    """Every command and the documents that it stands in."""
    found: dict[Command, list[str]] = {}
    for document in DOCUMENTS:
        for command in commands(document):
            found.setdefault(command, []).append(document)
    return found


def options_in_text(document: str) -> set[str]:
    """The names of all `--option`s in the text's inline code, tables included."""
    codes = markdown.inline_code(text_of(document))
    return {name for code in codes for name in re.findall(r"(?<!\S)--([\w-]+)", code)}
