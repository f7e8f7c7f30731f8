"""Which files a bundle has."""

from __future__ import annotations

import configparser
from collections.abc import Iterator
from pathlib import Path

from release import SUMS, WEIGHTS

from meddiff_core.files import sha256_of

REQUIRED = (
    "LICENSE",
    "configs/metadata.json",
    "configs/inference.json",
    "configs/logging.conf",
    "docs/README.md",
    "docs/data_license.txt",
)
PACKAGED = (WEIGHTS, "meddiff_core/__init__.py", SUMS)
# The zoo takes files of up to 25 MB; ours keep a margin.
LARGEST = 20_000_000


def check_files(bundle: Path, packaged: bool) -> Iterator[str]:
    """The files of the model zoo, their size, and no Python beside the package."""
    for name in REQUIRED + (PACKAGED if packaged else ()):
        if not (bundle / name).is_file() or not (bundle / name).stat().st_size:
            yield f"{name} is missing or empty: the model zoo requires it."
    for path in sorted(bundle.rglob("*")):
        name = path.relative_to(bundle).as_posix()
        if path.is_symlink():
            yield f"{name} is a link: put the file itself there."
        elif path.is_file() and path.stat().st_size > LARGEST:
            yield f"{name} has {path.stat().st_size / 1e6:.0f} MB: keep it under {LARGEST / 1e6:.0f} MB."
        elif path.suffix == ".py" and not name.startswith("meddiff_core/"):
            yield f"{name} is Python: it belongs into meddiff_core."


def check_license(bundle: Path, original: Path) -> Iterator[str]:
    """The licence of the repository, word for word."""
    if (bundle / "LICENSE").read_bytes() != original.read_bytes():
        yield "LICENSE differs from the repository's: copy it."


def check_logging(bundle: Path) -> Iterator[str]:
    """A logging.conf in which everything that is listed is defined."""
    parser = configparser.RawConfigParser()
    parser.read_string((bundle / "configs" / "logging.conf").read_text(encoding="utf-8"))
    for kind in ("logger", "handler", "formatter"):
        for name in parser[f"{kind}s"]["keys"].split(","):
            if f"{kind}_{name.strip()}" not in parser:
                yield f"configs/logging.conf lists the {kind} {name.strip()}: define or remove it."


def check_sums(bundle: Path) -> Iterator[str]:
    """Every file of an unpacked package is the one that its SHA256SUMS names, and there is no other."""
    lines = (bundle / SUMS).read_text(encoding="utf-8").splitlines()
    named = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    files = {path.relative_to(bundle).as_posix(): path for path in bundle.rglob("*") if path.is_file()}
    found = {name: path for name, path in files.items() if name != SUMS and "__pycache__" not in path.parts}
    for name in sorted(named.keys() | found.keys()):
        if name not in found or sha256_of(found[name].read_bytes()) != named.get(name):
            yield f"{name} is not the file that {SUMS} names: get the package again."
