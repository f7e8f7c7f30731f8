"""What a release is made of: the repository's bundles, and where their weights and sums lie."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from monai.bundle import ConfigParser

from meddiff_core.commands import words_of
from meddiff_core.errors import InputError

ROOT = Path(__file__).resolve().parents[1]
BUNDLES = ROOT / "bundles"
WEIGHTS = "models/model.pt"
SUMS = "SHA256SUMS"


def chosen_bundles(names: str | Sequence[str] | None, folder: Path = BUNDLES) -> list[Path]:
    """Folders of the bundles of a folder, all of them or those that are named.

    Raises:
        InputError: one of the names, or the folder, does not exist.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder: give the one that holds the bundles.")
    known = {path.name: path for path in sorted(folder.iterdir()) if path.is_dir()}
    for name in words_of(names):
        if name not in known:
            raise InputError(
                f"Unknown bundle {name!r} in {folder}: use {', '.join(known) or 'another folder'}."
            )
    return [known[name] for name in words_of(names) or known]


def weight_sources(bundle: Path) -> list[Path]:
    """The files of the whole network: the foundation's, and the control part's where there is one."""
    parser = ConfigParser()
    parser.read_config(bundle / "configs" / "inference.json")
    parser["bundle_root"] = str(bundle)
    keys = [key for key in ("foundation_weights", "control_weights") if key in parser]
    return [Path(parser.get_parsed_content(key)) for key in keys]
