"""Where results are written, and the record of what made them: weights, seed and options."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import monai
import numpy as np
import torch

import meddiff_core
from meddiff_core.errors import InputError, check_seed
from meddiff_core.files import sha256_of, write_json
from meddiff_core.transforms.made_facts import MADE_FACTS
from meddiff_core.transforms.scans import result_name

DESCRIPTION_LENGTH = 79
"""NIfTI-1 holds 79 characters and a zero in its description."""

INTENDED_USE = "research use only"

_SCAN_FACTS = (
    *("region", "region_reason", "noise_level", "removed_structure", "strength", "sample", "number"),
    *MADE_FACTS,
)
"""Facts that transforms and inferers note in the metadata and that name no patient."""


class Results:
    """Where the results of one run lie, and what is said of them in headers and in a record beside them.

    Neither holds what a header says of a patient, or a folder: of paths stays the last part, so a file that
    is named after a patient still names him.

    Args:
        output_dir: folder of the results; made when the first is written.
        bundle_root: folder of the bundle, whose `configs/metadata.json` names bundle and version. None writes
            no records, as in evaluations.
        weights: files of weights that the run names, for their SHA-256; what is no file is left out.
        kind: what the results are: `processed`, `synthetic` or `part synthetic`.
        options: what the user could choose beside the inferer's options, by name.
        inferer: its own options are recorded, too; `seed` is one of them or of `options`, default 0.

    Raises:
        InputError: the folder is no bundle's, or the seed is no whole number of at most 32 bits.
    """

    def __init__(
        self,
        output_dir: str | Path = "out",
        bundle_root: str | Path | None = None,
        weights: Sequence[str | Path | None] = (),
        kind: str = "processed",
        options: Mapping[str, Any] | None = None,
        inferer: object = None,
    ) -> None:
        self.output_dir = Path(output_dir).expanduser()
        metadata = None if bundle_root is None else _metadata(Path(bundle_root))
        self.bundle = (
            "MedDiff-FM" if metadata is None else re.sub(r"\W+", "_", metadata["name"].strip().lower())
        )
        self.version = "" if metadata is None else str(metadata["version"])
        self.recorded = metadata is not None
        self.kind = kind
        self.weights = [Path(path) for path in weights if path and Path(path).is_file()]
        chosen = {**(options or {}), **getattr(inferer, "options", {})}
        self.options = {str(name): _plain(value) for name, value in chosen.items()}
        self._seed = check_seed(self.options.get("seed", 0))

    def path(self, meta: Mapping[str, Any], postfix: str, suffix: str = "") -> Path:
        """Where a result lies: `<stem>_<postfix><suffix>`, numbered where there are several of a scan.

        Args:
            meta: metadata of the result: `filename_or_obj`, and `number` where it is one of several.
            postfix: says what was done.
            suffix: end of the file's name, such as ".png".
        """
        return self.output_dir / f"{result_name(meta, postfix)}{suffix}"

    def write_record(self, path: Path, meta: Mapping[str, Any]) -> None:
        """Write the record of a result to a JSON file, unless this run keeps none."""
        if self.recorded:
            write_json(path, self.record(meta))

    def seed(self, meta: Mapping[str, Any] | None = None) -> int:
        """The seed of a result; one of several of a scan (`sample` in its metadata) has its own."""
        return self._seed + int(_single((meta or {}).get("sample", 0)))

    def description(self, postfix: str, meta: Mapping[str, Any] | None = None) -> str:
        """One line of at most 79 ASCII characters.

        Args:
            postfix: says what was done, such as "denoised"; left out where the line would get too long.
            meta: metadata of the result, for its seed, and its `number` where it is one of several.
        """
        postfix = f"{postfix} {(meta or {}).get('number', '')}".strip()
        if not self.recorded:
            return f"MedDiff-FM {postfix}, {INTENDED_USE}"[:DESCRIPTION_LENGTH]
        parts = [f"{self.bundle} {self.version}", f"seed {self.seed(meta)}", postfix, self.kind, INTENDED_USE]
        if len(", ".join(parts)) > DESCRIPTION_LENGTH:
            parts.remove(postfix)
        line = ", ".join(parts).encode("ascii", "replace").decode()
        return line[:DESCRIPTION_LENGTH]

    def record(self, meta: Mapping[str, Any]) -> dict[str, Any]:
        """What can be written as JSON beside a result.

        Args:
            meta: metadata of the result: `filename_or_obj` and what is known of the scan.
        """
        facts = {name: _single(meta[name]) for name in _SCAN_FACTS if name in meta}
        return {
            "bundle": self.bundle,
            "version": self.version,
            "weights_sha256": dict(map(_named_sum, self.weights)),
            "kind": self.kind,
            "intended_use": INTENDED_USE,
            "input": _base_name(str(_single(meta.get("filename_or_obj", "")))),
            "seed": self.seed(meta),
            "options": self.options,
            "scan": {name: value for name, value in facts.items() if value != ""},
            "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "software": {
                "meddiff_core": meddiff_core.__version__,
                "monai": monai.__version__,
                "torch": torch.__version__,
                "numpy": np.__version__,
                "python": platform.python_version(),
            },
        }


def _named_sum(path: Path) -> tuple[str, str]:
    """A file's name, of one in a bundle `ct_foundation/models/model.pt`, and its SHA-256."""
    path = path.resolve()
    in_bundle = (path.parents[1] / "configs" / "metadata.json").is_file()
    return "/".join(path.parts[-3:]) if in_bundle else path.name, sha256_of(path.read_bytes())


def _metadata(bundle_root: Path) -> dict[str, Any]:
    path = bundle_root / "configs" / "metadata.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: name the bundle's folder by bundle_root.") from error


def _single(value: Any) -> Any:
    """A value of the metadata, also of a batch of one."""
    value = _plain(value)
    return value[0] if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    """What JSON can hold, without folders."""
    if isinstance(value, torch.Tensor | np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return _base_name(str(value))


def _base_name(text: str) -> str:
    return re.split(r"[/\\]", text.rstrip("/\\"))[-1]
