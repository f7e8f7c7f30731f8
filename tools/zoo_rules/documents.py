"""What a bundle's README says, and whether that is so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from monai.bundle import ConfigParser
from zoo_rules.markdown import Command, commands, inline_code, links, prose

# Those of the zoo's template; what else a bundle has to say may stand between them.
SECTIONS = (
    *("Model Overview", "Tags", "MONAI Bundle Commands", "Data", "Performance", "System configuration"),
    *("Limitations", "Citation", "License", "References"),
)
PHRASES = ("Research use only", "TorchScript", "monai.bundle.load(")
# Code in a text that names a file of the bundle, not one that a command writes.
_FILE = re.compile(r"(configs|docs|models|meddiff_core)/[\w./]+\.\w+|LICENSE|SHA256SUMS")


def check_readme(bundle: Path) -> Iterator[str]:
    """The sections of the model zoo's template, what its rules want said, and links that lead to files."""
    text = _readme(bundle)
    if not text.startswith("# "):
        yield "docs/README.md has no title: begin it with '# '."
    headings = re.findall(r"^## (.+)$", prose(text), flags=re.MULTILINE)
    for section in SECTIONS:
        if section not in headings:
            yield f"docs/README.md has no section '## {section}': add it."
    for phrase in PHRASES:
        if phrase not in text:
            yield f"docs/README.md does not say '{phrase}': add the sentence."
    for target in _files_linked(text):
        if not (bundle / "docs" / target).exists():
            yield f"docs/README.md links {target}, which does not exist: correct the link."


def check_package_readme(bundle: Path) -> Iterator[str]:
    """In a package, every file that the README names is there, and every command runs in its folder."""
    text = _readme(bundle)
    for target in _files_linked(text):
        if not (bundle / target).exists():
            yield f"docs/README.md links {target}, which is not in the root as well: hubs show it there."
    for name in inline_code(text):
        if _FILE.fullmatch(name) and not (bundle / name).exists():
            yield f"docs/README.md names {name}, which is not in the package: correct it."
    for command in commands(text):
        reason = _trouble(command, bundle)
        if reason:
            yield f"docs/README.md has the command '{' '.join(command.words[:6])} ...', but {reason}."


def _trouble(command: Command, bundle: Path) -> str | None:
    """Why a command cannot run in the folder of a package."""
    words = command.words[:-1]
    module = command.words[words.index("-m") + 1] if "-m" in words else None
    if module == "monai.bundle":
        missing = [name for name in command.configs if not (bundle / name).is_file()]
        if missing or not command.configs:
            return f"there is no {' and no '.join(missing) or 'config'}"
        parser = ConfigParser()
        parser.read_config([str(bundle / name) for name in command.configs])
        unknown = [name for name in command.options if name != "config_file" and name not in parser]
        return f"{command.configs} have no {', '.join(unknown)}" if unknown else None
    if module and module.startswith("meddiff_core"):
        path = bundle.joinpath(*module.split("."))
        found = path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()
        return None if found else f"there is no module {module}"
    return None if command.words[0] == "pip" else "only MONAI and meddiff_core are sure to be there"


def _readme(bundle: Path) -> str:
    return (bundle / "docs" / "README.md").read_text(encoding="utf-8")


def _files_linked(text: str) -> list[str]:
    """Targets of links within the bundle or the repository."""
    targets = [target.partition("#")[0] for target in links(text) if "://" not in target]
    return sorted({target for target in targets if target})
