"""The shape of the package: who may import whom, and how long a list of parameters may get."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "meddiff_core"
FILES = sorted(ROOT.rglob("*.py"))
MOST_PARAMETERS = 9

MAY_IMPORT = {
    "conditions": set(),
    "physics": {"conditions"},
    "phantoms": {"conditions"},
    "diffusion": {"physics", "conditions"},
    "networks": {"physics", "conditions"},
    "inferers": {"diffusion", "physics", "conditions"},
    "transforms": {"diffusion", "physics", "conditions", "phantoms"},
    "metrics": {"networks", "physics", "conditions"},
    "reports": {"transforms", "conditions"},
    "training": {"inferers", "transforms", "networks", "diffusion", "physics", "conditions"},
    "evaluation": {
        *("metrics", "reports", "inferers", "transforms", "networks", "diffusion", "physics", "conditions")
    },
    "preparation": {"transforms", "physics", "conditions", "phantoms"},
}
"""Rooms that a room may import. Arrows point down only, and `training` and `evaluation` never meet."""


def imports(path: Path) -> Iterator[str]:
    """What a file imports of this repository, as dotted names without `meddiff_core`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            if name.split(".")[0] in ("meddiff_core", "tools", "tests", "bundles"):
                yield name.removeprefix("meddiff_core.")


@pytest.mark.parametrize("room", sorted({path.parent.name for path in FILES if path.parent != ROOT}))
def test_arrows_point_down(room):
    rooms = {path.parent.name for path in FILES} - {ROOT.name}
    wrong = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in (ROOT / room).rglob("*.py")
        for name in imports(path)
        if (other := name.split(".")[0]) in rooms | {"tools", "tests", "bundles"}
        and other not in MAY_IMPORT[room] | {room}
    }
    assert not wrong


def test_files_at_the_root_import_no_room_or_are_for_all():
    rooms = {path.parent.name for path in FILES} - {ROOT.name}
    for name in ("errors.py", "files.py", "distributed.py"):
        assert not rooms & {imported.split(".")[0] for imported in imports(ROOT / name)}, name


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_function_has_more_than_nine_parameters(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            named = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            names = [argument.arg for argument in named if argument.arg not in ("self", "cls")]
            assert len(names) <= MOST_PARAMETERS, f"{node.name}: {', '.join(names)}"
