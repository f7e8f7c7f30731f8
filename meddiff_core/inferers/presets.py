"""Groups of options under one name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meddiff_core.errors import check_choice


def choose_preset(presets: Mapping[str, Mapping[str, Any]], preset: str) -> Mapping[str, Any]:
    """The options of one preset.

    Args:
        presets: options by the preset's name.
        preset: the name.

    Raises:
        InputError: there is no such preset.
    """
    return presets[check_choice("preset", preset, presets)]
