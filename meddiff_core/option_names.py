"""Refuse options that a bundle does not have, with the nearest one that it has.

MONAI's `bundle run` adds every `--name value` to the config, also one that nothing reads: a misspelt option
would change nothing, without a word.
"""

from __future__ import annotations

import inspect
import json
import logging
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from pydoc import locate
from typing import Any

from monai.bundle import ConfigComponent, ConfigParser, ReferenceResolver, run
from monai.bundle.utils import DEFAULT_MLFLOW_SETTINGS

from meddiff_core.errors import InputError
from meddiff_core.option_values import check_values

logger = logging.getLogger("meddiff")

RENAMED: dict[str, str] = {"low_noise_share": "noise", "high_noise_share": "noise"}
"""Former names of options, each with the one that took its place."""

_SEPARATOR = ReferenceResolver.sep
# What MONAI itself may put into a config, or give to any.
_MONAI_IDS = {"bundle_root", *DEFAULT_MLFLOW_SETTINGS["configs"]}
# What the command itself takes, such as config_file.
_MONAI_ARGUMENTS = inspect.signature(run).parameters.keys() - {"override"}
# Ids that are no options although their values are no components.
_NO_OPTIONS = {"imports", "handlers", "initialize", "run", "finalize"}


def check_options(parser: ConfigParser, folder: Path) -> None:
    """Compare a config and its overrides, which the parser holds merged, with the files that it was made of.

    The parser keeps no list of those. They are the files of this bundle, and of those beside it (an overlay
    may lie there), whose ids are all in the parser.

    Args:
        parser: of the config.
        folder: where the first config file lies.

    Raises:
        InputError: an option that no config file declares and nothing reads, or a value as of `check_values`.
    """
    folder = folder.resolve()
    beside = [path.parent for path in folder.parent.parent.glob(f"*/{folder.name}/metadata.json")]
    merged, others = [], {}
    for path in sorted(path for each in {folder, *beside} for path in each.glob("*.json")):
        content = _content(path)
        if content and _ids(content) <= parser.config.keys():
            merged.append(content)
        elif path.parent == folder:
            others[path.name] = _ids(content)
    if not merged:
        return
    options = [name for name in set().union(*map(_ids, merged)) if _is_option(name, parser.config.get(name))]
    for name, siblings in _unknown(parser, merged):
        raise InputError(_no_such_option(name, siblings, options, others))
    check_values(parser, merged)
    unread = _given(parser.config, merged) - _read_by_run(parser.config) - _MONAI_IDS
    for name in sorted(unread.intersection(options)):
        logger.warning("The option %s changes nothing here: no part of this run reads it.", name)


def _given(config: Mapping[str, Any], files: list[dict[str, Any]]) -> set[str]:
    """Ids whose values stand in no file: the options that the user set."""
    return {
        name
        for name, value in config.items()
        if _normalized(value) not in [_normalized(file[name]) for file in files if name in file]
    }


def _normalized(value: Any) -> str:
    """A value as MONAI writes it: # in references has become ::."""
    return ReferenceResolver.normalize_id(repr(value))


def _read_by_run(config: Mapping[str, Any]) -> set[str]:
    """The outermost ids that a run reads, directly or through others."""
    found, waiting = set(), {"initialize", "run", "finalize"}
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting |= {part.split(_SEPARATOR)[0] for part in _references(config.get(name))} - found
    return found


def _content(path: Path) -> dict[str, Any]:
    """Of a config file; empty for what is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if path.name != "metadata.json" and isinstance(content, dict) else {}


def _ids(content: Mapping[str, Any]) -> set[str]:
    """The outermost ids that a config file sets: `train` for `train#trainer` or `+train`."""
    return {re.split("#|::", name.removeprefix("+"))[0] for name in content}


def _unknown(parser: ConfigParser, files: list[dict[str, Any]]) -> Iterator[tuple[str, list[str]]]:
    """Ids that no file declares and nothing reads, each with what stands beside it."""
    config = parser.config
    declared = set().union(*map(_ids, files))
    read = {name for value in config.values() for name in _references(value)}
    for name, value in config.items():
        if name in declared:
            same = [file[name] for file in files if name in file]
            yield from _unknown_within(parser, name, value, same, read)
        elif name not in read and name not in _MONAI_IDS and not name.startswith("_"):  # _meta_, _desc_
            yield name, []


def _unknown_within(
    parser: ConfigParser, name: str, value: Any, declared: list[Any], read: set[str]
) -> Iterator[tuple[str, list[str]]]:
    """The same below one id, of which the files say `declared`."""
    if isinstance(value, list):
        for index, entry in enumerate(value):
            same = [d[index] for d in declared if isinstance(d, list) and index < len(d)]
            yield from _unknown_within(parser, f"{name}{_SEPARATOR}{index}", entry, same, read)
    if not isinstance(value, Mapping):
        return
    declared = [d for d in declared if isinstance(d, Mapping)]
    known = {key for d in declared for key in d}
    for key, entry in value.items():
        inner = f"{name}{_SEPARATOR}{key}"
        if key in known:
            yield from _unknown_within(parser, inner, entry, [d[key] for d in declared if key in d], read)
        elif ConfigComponent.is_instantiable(value):
            accepted = _accepted(parser, value)
            if accepted is not None and key not in accepted:
                yield inner, sorted(accepted)
        elif declared and not isinstance(entry, Mapping | list) and inner not in read and key != "_desc_":
            yield inner, sorted(known)


def _accepted(parser: ConfigParser, component: Mapping[str, Any]) -> set[str] | None:
    """The arguments that a component takes; None where it takes any, or where it cannot be told."""
    target = ConfigComponent(config=component, locator=parser.locator).resolve_module_name()
    called = locate(target) if isinstance(target, str) else target
    if not callable(called):
        return None
    accepted = set(ConfigComponent.non_arg_keys)
    # a class may hand its **options on to the class that it is made from
    for callee in [base.__init__ for base in called.__mro__] if isinstance(called, type) else [called]:
        try:
            parameters = inspect.signature(callee).parameters.values()
        except ValueError:  # written in C
            return None
        accepted |= {parameter.name for parameter in parameters}
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
            return accepted
    return None


def _references(value: Any) -> Iterator[str]:
    """The ids that a part of a config reads, and what they lie in."""
    if isinstance(value, Mapping | list):
        for entry in value.values() if isinstance(value, Mapping) else value:
            yield from _references(entry)
    elif isinstance(value, str):
        for reference in ReferenceResolver.match_refs_pattern(value):
            parts = reference.split(_SEPARATOR)
            yield from (_SEPARATOR.join(parts[: n + 1]) for n in range(len(parts)))


def _is_option(name: str, value: Any) -> bool:
    return name not in _NO_OPTIONS and not isinstance(value, Mapping)


def _no_such_option(
    name: str, siblings: list[str], options: list[str], other_files: Mapping[str, set[str]]
) -> str:
    """The sentence.

    Args:
        name: that is unknown.
        siblings: what stands beside it, where it is a nested id.
        options: the bundle's.
        other_files: config files that were not given, and the ids that they declare.
    """
    shown = name.replace(_SEPARATOR, "#")
    parent, _, leaf = shown.rpartition("#")
    if name in RENAMED:
        return f"The option {name} is now called {RENAMED[name]}: use that name."
    for file, ids in other_files.items():
        if name in ids:
            return (
                f"The option {name} belongs to {file}: add that file to --config_file, or leave {name} out."
            )
    for candidates, prefix in ((siblings, f"{parent}#"), ([*options, *_MONAI_ARGUMENTS], "")):
        nearest = get_close_matches(leaf.lower(), candidates, n=1)
        if nearest:
            return f"There is no option {shown}: did you mean {prefix}{nearest[0]}?"
    return f"There is no option {shown}: there are {', '.join(siblings or sorted(options))}."
