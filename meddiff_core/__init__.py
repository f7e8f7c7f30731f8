"""MedDiff-FM (arXiv 2410.15432) as MONAI bundles: what the bundles' configs are built from."""

from __future__ import annotations

from typing import Any

__version__ = "0.2.0"


def __getattr__(name: str) -> Any:
    if name == "load_task":  # imported late: it takes MONAI's bundles along
        from meddiff_core.task import load_task

        return load_task
    raise AttributeError(f"module {__name__} has no attribute {name}")
