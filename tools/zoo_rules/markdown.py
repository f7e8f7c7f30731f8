"""The commands, links and code in the text of a Markdown file."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
_LINK = re.compile(r'\]\(([^)\s]+)\)|(?:src|href)="([^"]+)"')
_PROGRAM = re.compile(r"(\S*/)?(python3?|make|torchrun|pip|curl|tools/\w+\.py) ")
_PYTHON = re.compile(r"(\S*/)?python3?")
_SHELL = ("", "sh", "bash", "shell", "console")


@dataclass(frozen=True)
class Command:
    """A shell command of a document; two of the same words are one."""

    words: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join(self.words)

    @property
    def bundle_run(self) -> bool:
        """Whether it runs a bundle's configs."""
        return "monai.bundle" in self.words

    @property
    def tool(self) -> str | None:
        """The script of tools/ that it starts."""
        found = [word for word in self.words[:2] if word.startswith("tools/")]
        return found[0] if found else None

    @property
    def options(self) -> dict[str, str]:
        """Values by name; the arguments of MONAI, the tools and `fire` are all written `--name value`."""
        start = self.words.index("run") if self.bundle_run else 1
        words = self.words[start:]
        pairs = zip(words, (*words[1:], "--"), strict=True)
        return {
            name[2:]: "true" if value.startswith("--") else value
            for name, value in pairs
            if name.startswith("--")
        }

    @property
    def configs(self) -> list[str]:
        """The config files of a bundle's run."""
        return re.findall(r"[\w/.]+\.json", self.options["config_file"])


def blocks(text: str) -> list[tuple[str, str]]:
    """Language and content of the fenced blocks."""
    return _FENCE.findall(text)


def prose(text: str) -> str:
    """The document without its fenced blocks."""
    return _FENCE.sub("", text)


def inline_code(text: str) -> list[str]:
    """The `code` in the text, on one line each."""
    return [" ".join(code.split()) for code in _INLINE.findall(prose(text))]


def commands(text: str) -> list[Command]:
    """Every command of the fenced shell blocks and of the text's inline code, in the document's order."""
    lines = "".join(content for language, content in blocks(text) if language in _SHELL)
    lines = lines.replace("\\\n", " ").splitlines()
    lines += [code for code in inline_code(text) if _PROGRAM.match(code)]
    parts = [part for line in lines for part in _split(line)]
    return [Command(tuple(words)) for words in parts]


def _split(line: str) -> list[list[str]]:
    """The words of each of the commands that `&&` joins; any Python is `python`, also one left out."""
    result: list[list[str]] = []
    for part in shlex.split(re.sub(r"(^|\s)#\s.*", "", line)):
        if part == "&&" or not result:
            result.append([])
        if part != "&&":
            result[-1].append("python" if _PYTHON.fullmatch(part) else part)
    return [["python", *words] if words[0].startswith("tools/") else words for words in result]


def links(text: str) -> list[str]:
    """Targets of links and pictures."""
    return [markdown or html for markdown, html in _LINK.findall(prose(text))]


def anchors(text: str) -> set[str]:
    """What GitHub makes of the headings."""
    headings = re.findall(r"^#+ (.+)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
