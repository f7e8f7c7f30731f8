"""Parts of a bundle for the benchmarks, built in process from its own inference config."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from monai.bundle import ConfigWorkflow

BUNDLES = Path(__file__).resolve().parents[2] / "bundles"


@cache
def bundle_parts(bundle: str, parts: tuple[str, ...] = ("inferer", "network"), **options: Any) -> tuple:
    """Parts of `bundles/<bundle>/configs/inference.json`, built once per setting.

    Args:
        bundle: its name.
        parts: ids of the config; the network comes with its weights.
        options: of the bundle, hashable.
    """
    root = BUNDLES / bundle
    workflow = ConfigWorkflow(
        config_file=str(root / "configs" / "inference.json"),
        workflow_type="inference",
        logging_file=False,
        bundle_root=str(root),
        **options,
    )
    workflow.initialize()
    return tuple(workflow.parser.get_parsed_content(part) for part in parts)
