"""Check bundles against the rules of MONAI's model zoo, offline.

example:
  python tools/verify_bundles.py
  python tools/verify_bundles.py --bundles_dir unpacked --packaged
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from release import BUNDLES, ROOT, chosen_bundles
from zoo_rules.documents import check_package_readme, check_readme
from zoo_rules.files import check_files, check_license, check_logging, check_sums
from zoo_rules.metadata import check_metadata
from zoo_rules.weights import check_weights
from zoo_rules.workflow import check_inference, check_network, check_training

from meddiff_core.commands import run_command


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
        *((check_sums(bundle), check_package_readme(bundle)) if packaged else ()),
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
    bundles_dir: str = str(BUNDLES), bundles: str | Sequence[str] | None = None, packaged: bool = False
) -> None:
    """Print a sentence per broken rule and exit with 1, or say that all is well.

    Args:
        bundles_dir: folder of the bundles.
        bundles: names, comma-separated; all in the folder unless given.
        packaged: they were unpacked from zips and have to be complete in themselves.
    """
    chosen = chosen_bundles(bundles, Path(bundles_dir))
    broken = [f"{bundle.name}: {sentence}" for bundle in chosen for sentence in failures(bundle, packaged)]
    if broken:
        print("\n".join(broken), file=sys.stderr)
        sys.exit(1)
    names = ", ".join(bundle.name for bundle in chosen)
    print(f"{len(chosen)} bundle(s) keep the rules of the model zoo: {names}.")


if __name__ == "__main__":
    # MONAI's own checks report what they do; here only what is wrong counts.
    logging.disable(logging.WARNING)
    run_command(verify_bundles)
