"""Whether a bundle's weights are those that its metadata names."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from release import weight_sources

from meddiff_core.files import sha256_of


def check_weights(bundle: Path) -> Iterator[str]:
    """`weights_sha256` names every file that inference reads, and each is the one that it names."""
    metadata = json.loads((bundle / "configs" / "metadata.json").read_text(encoding="utf-8"))
    named = metadata.get("weights_sha256", {})
    root = bundle.resolve()
    needed = {Path(os.path.relpath(path, root)).as_posix() for path in weight_sources(root)}
    for name in sorted(needed | {p.relative_to(root).as_posix() for p in root.glob("models/*")}):
        if name not in named:
            yield f"configs/metadata.json does not name {name} in 'weights_sha256': add its SHA-256."
    for name, digest in named.items():
        path = root / name
        if not path.is_file():
            yield f"{name} is missing, but 'weights_sha256' names it: get the weights."
        elif sha256_of(path.read_bytes()) != digest:
            found = sha256_of(path.read_bytes())
            yield f"{name} has the SHA-256 {found}, 'weights_sha256' another: get the weights or correct it."
