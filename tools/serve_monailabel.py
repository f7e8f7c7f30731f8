"""Serve the bundles by MONAI Label, to this machine only.

example:
  python tools/serve_monailabel.py --studies scans
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from package_bundle import package_files
from release import chosen_bundles

from meddiff_core.commands import run_command
from meddiff_core.errors import InputError
from meddiff_core.files import whole_file

APP = Path(__file__).resolve().parent / "monailabel_app"


def serve(
    studies: str,
    app_dir: str = "monailabel_app",
    port: int = 8000,
    bundles: str | Sequence[str] | None = None,
) -> None:
    """Lay out the app with the packaged bundles and start MONAI Label's server on 127.0.0.1.

    Args:
        studies: folder of the scans; results that are images are added to it.
        app_dir: folder of the app, made if it is not there; weights that were fine-tuned in it stay.
        port: of the server.
        bundles: names, comma-separated; all of them unless given.

    Raises:
        InputError: the studies are no folder, a bundle is unknown, or the app cannot be written.
    """
    if not Path(studies).is_dir():
        raise InputError(f"{studies!r} is no folder: name the one with your scans by --studies.")
    app = Path(app_dir).resolve()
    lay_out(app, bundles)
    server = [sys.executable, "-m", "monailabel.main", "start_server", "--host", "127.0.0.1"]
    # The server takes the place of this process, so that Ctrl+C and a service manager reach it.
    os.execv(sys.executable, [*server, "--port", str(port), "--app", str(app), "--studies", studies])


def lay_out(app: Path, bundles: str | Sequence[str] | None = None) -> None:
    """Write the app and its folder `model` with the packaged bundles; see `serve`."""
    chosen = chosen_bundles(bundles)
    shutil.copytree(APP, app, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    for bundle in chosen:
        for path, content in package_files(bundle).items():
            with whole_file(app / "model" / bundle.name / path) as draft:
                draft.write_bytes(content)


if __name__ == "__main__":
    run_command(serve)
