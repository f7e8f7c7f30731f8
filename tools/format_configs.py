"""Typeset the JSON configs of the bundles: one component a line where it fits, arguments packed.

example:
  python tools/format_configs.py            # rewrite all configs of bundles/
  python tools/format_configs.py --check    # change nothing, name what is not typeset, exit code 1
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from meddiff_core.commands import run_command
from meddiff_core.errors import InputError, check_flag
from meddiff_core.files import whole_file

CONFIGS = Path(__file__).parents[1] / "bundles"
WIDTH = 118
INDENT = 4

# Blank lines between members are the author's paragraphs. JSON strings hold no line breaks, so this pattern
# finds only such lines; a mark on the key that follows keeps them through the parser.
_MARK = "\u00b6"
_PARAGRAPH = re.compile(r'\n[ \t]*\n\s*"(?=(?:[^"\\\n]|\\.)*"\s*:)')


def format_configs(*paths: str, check: bool = False) -> None:
    """Typeset configs; their values stay as they are.

    Args:
        paths: JSON files; by default `bundles/*/configs/*.json`.
        check: only say which ones are not typeset.

    Raises:
        InputError: a file cannot be read or is no JSON; or, with `check`, some are not typeset.
    """
    check, untidy = check_flag("check", check), []
    for path in [Path(path) for path in paths] or sorted(CONFIGS.glob("*/configs/*.json")):
        try:
            text = path.read_text(encoding="utf-8")
            wanted = typeset(text)
        except (OSError, ValueError) as error:
            raise InputError(f"{path} is no JSON file that can be read: {error}.") from error
        if text == wanted:
            continue
        untidy.append(str(path))
        if not check:
            with whole_file(path) as draft:
                draft.write_text(wanted, encoding="utf-8")
            print(f"Rewrote {path}")
    if check and untidy:
        raise InputError(f"Not typeset, run tools/format_configs.py: {', '.join(untidy)}")


def typeset(text: str) -> str:
    """A JSON text in the layout of the configs.

    What fits in `WIDTH` stands on one line, but each of several components (dictionaries with `_target_`) of
    a list begins a line. A longer component has its arguments packed into lines, and so has a dictionary that
    holds no other one; an argument that does not fit is broken up in turn. The rest are sections, as is the
    whole file: each member begins a line, and a blank line before it stays. Of a long list, numbers are
    packed, and anything else begins a line.
    """
    value = json.loads(_PARAGRAPH.sub(f'\n"{_MARK}', text))
    result = _broken(value, 0) + "\n"
    assert json.loads(result) == json.loads(text), "typesetting must not change values"
    return result


def _one_line(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(name)}{_one_line(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_one_line, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _key(name: str) -> str:
    return json.dumps(name.removeprefix(_MARK), ensure_ascii=False) + ": "


def _laid_out(value: Any, indent: int, key: str = "") -> str:
    """`value` after `key`, with room for a comma: on one line where it fits."""
    line = _one_line(value)
    fits = indent + len(key) + len(line) + 1 <= WIDTH and not _lists_components(value)
    return key + (line if fits or not value or not isinstance(value, dict | list) else _broken(value, indent))


def _lists_components(value: Any) -> bool:
    """Whether a list of several dictionaries is in it."""
    if isinstance(value, list) and sum(isinstance(item, dict) for item in value) > 1:
        return True
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(map(_lists_components, items))


def _broken(value: dict | list, indent: int) -> str:
    """A dictionary or list over several lines that starts at column `indent`."""
    inner = indent + INDENT
    if isinstance(value, dict):
        members = {name: _laid_out(item, inner, _key(name)) for name, item in value.items()}
        packed = indent > 0 and ("_target_" in value or not any(isinstance(v, dict) for v in value.values()))
        brackets = "{}"
    else:
        members = {str(number): _laid_out(item, inner) for number, item in enumerate(value)}
        packed = all(isinstance(item, int | float) for item in value)
        brackets = "[]"
    lines: list[str] = []
    for number, (name, member) in enumerate(members.items(), start=1):
        member += "," if number < len(members) else ""
        joined = f"{lines[-1]} {member}" if lines else ""
        if packed and lines and "\n" not in joined and inner + len(joined) <= WIDTH:
            lines[-1] = joined
            continue
        if name.startswith(_MARK) and lines and not packed:
            lines.append("")
        lines.append(member)
    body = "\n".join(" " * inner + line if line else "" for line in lines)
    return f"{brackets[0]}\n{body}\n{' ' * indent}{brackets[1]}"


if __name__ == "__main__":
    run_command(format_configs)
