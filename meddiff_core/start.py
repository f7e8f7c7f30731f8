"""What every run of a bundle does first."""

from __future__ import annotations

import inspect
from pathlib import Path

from monai.bundle import ConfigWorkflow

from meddiff_core.errors import show_sentences
from meddiff_core.option_names import check_options


def start_run() -> None:
    """Let mistakes end with a sentence, and check the options that were given.

    MONAI hands its parser to nothing that a config builds, so the workflow is sought among the callers;
    without one there are no options to check.

    Raises:
        InputError: an option or a value as of `check_options`.
    """
    show_sentences()
    frame = inspect.currentframe()
    while frame is not None:
        workflow = frame.f_locals.get("self")
        if isinstance(workflow, ConfigWorkflow):
            check_options(workflow.parser, Path(workflow.config_root_path))
            return
        frame = frame.f_back
