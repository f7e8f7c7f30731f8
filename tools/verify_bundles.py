"""Check bundles against the rules of MONAI's model zoo, offline.

example:
  python tools/verify_bundles.py
  python tools/verify_bundles.py --bundles_dir unpacked --packaged
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import fire
from zoo_rules.files import check_files, check_license, check_logging, check_readme
from zoo_rules.metadata import check_metadata
from zoo_rules.weights import check_weights
from zoo_rules.workflow import check_inference, check_network, check_training

from meddiff_core.errors import InputError, show_sentences

ROOT = Path(__file__).resolve().parents[1]


def failures(bundle: Path, packaged: bool = False) -> list[str]:
    """A sentence for each rule of the zoo that a bundle breaks.

    Args:
        bundle: its folder.
        packaged: it was unpacked from a zip of `package_bundle.py` and has to be complete in itself.
    """
    missing = list(check_files(bundle, packaged))
    if missing:
        return missing
    rules = (
        check_license(bundle, ROOT / "LICENSE"),
        check_readme(bundle),
        check_logging(bundle),
        check_metadata(bundle, ROOT / "requirements.txt"),
        check_weights(bundle),
        check_network(bundle),
        check_inference(bundle),
        check_training(bundle),
    )
    return [sentence for rule in rules for sentence in _sentences(rule)]


def _sentences(rule: Iterator[str]) -> Iterator[str]:
    """Those of one rule; where MONAI cannot even read what the rule is about, its error is one."""
    try:
        yield from rule
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        yield f"{rule.__name__.replace('_', ' ')} stopped: {type(error).__name__}: {reason}"


def verify_bundles(
    bundles_dir: str = str(ROOT / "bundles"), bundles: str | None = None, packaged: bool = False
) -> None:
    """Print a sentence per broken rule and exit with 1, or say that all is well.

    Args:
        bundles_dir: folder of the bundles.
        bundles: names, comma-separated; all in the folder unless given.
        packaged: they were unpacked from zips and have to be complete in themselves.
    """
    folder = Path(str(bundles_dir))
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder: give the one that holds the bundles.")
    found = {path.name: path for path in sorted(folder.iterdir()) if path.is_dir()}
    names = list(found) if bundles is None else _names(bundles)
    for name in names:
        if name not in found:
            raise InputError(f"{folder} has no bundle {name!r}: use {', '.join(found) or 'another folder'}.")
    broken = [f"{name}: {sentence}" for name in names for sentence in failures(found[name], packaged)]
    if broken:
        print("\n".join(broken), file=sys.stderr)
        sys.exit(1)
    print(f"{len(names)} bundle(s) keep the rules of the model zoo: {', '.join(names)}.")


def _names(bundles: str | tuple[str, ...]) -> list[str]:
    return bundles.split(",") if isinstance(bundles, str) else list(bundles)


if __name__ == "__main__":
    show_sentences()
    # MONAI's own checks report what they do; here only what is wrong counts.
    logging.disable(logging.WARNING)
    fire.Fire(verify_bundles)
