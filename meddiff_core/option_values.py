"""Refuse flags, counts and seeds that are none, and paths that MONAI has turned into something else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser, ReferenceResolver

from meddiff_core.errors import InputError, check_count, check_flag, check_seed

PATHS = (
    "image",
    "anatomy",
    "lesion",
    "organ_mask",
    "output_dir",
    "dataset_dir",
    "data_list",
    "bundle_root",
    "foundation_root",
    "generation_root",
    "foundation_weights",
    "control_weights",
    "start_from",
    "segmenter",
    "nnunet_model",
    "medicalnet_weights",
    "journal",
)
"""Options that name a file or folder."""

COUNTS = {
    **dict.fromkeys(("max_epochs", "epoch_length", "batch_size", "accumulation_steps", "val_interval"), 1),
    "num_workers": 0,
}
"""Whole numbers of training that MONAI and torch take unseen, and the least of each."""

LISTS = ("image", "anatomy", "data_list")
"""Options of `PATHS` that may be a list."""


def check_values(parser: ConfigParser, files: Sequence[Mapping[str, Any]]) -> None:
    """Check the flags, counts, seed and paths in a config that do not stand so in its files.

    A flag is an option that a file says to be true or false.

    Args:
        parser: holds the config.
        files: what the config files hold that it was made of.

    Raises:
        InputError: a flag is neither true nor false; a count or the seed is none; a path is a number, or an
            expression or reference that MONAI cannot resolve. The sentence says what to type.
    """
    for name, given in parser.config.items():
        declared = [file[name] for file in files if name in file]
        if given is None or (type(given), given) in ((type(value), value) for value in declared):
            continue  # 0 is no false, although Python finds them equal
        if name in PATHS:
            _check_path(parser, name, given)
        elif str(given).startswith(("$", "@")):
            continue
        elif name in COUNTS:
            check_count(name, given, COUNTS[name])
        elif name == "seed":
            check_seed(given)
        elif any(isinstance(value, bool) for value in declared):
            check_flag(name, given)


def _check_path(parser: ConfigParser, name: str, value: Any) -> None:
    if name in LISTS and isinstance(value, list | tuple):
        for entry in value:
            _check_path(parser, name, entry)
        return
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise InputError(
            f"{name} is {value!r}, a number: write ./ before the name of a file or folder that looks like "
            f"one, such as ./{value}."
        )
    if not isinstance(value, str | Path):
        raise InputError(f"{name} is {value!r}: give the path of one file or folder.")
    text = str(value)
    if text.startswith(("$", "@")):
        try:
            parser.get_parsed_content(name)
        except Exception as error:
            raise InputError(
                f"{name} is {text}: MONAI computes what begins with {text[0]}, but not this; for a file or "
                f"folder of this name write ./{text}."
            ) from error
    elif ReferenceResolver.sep in text and not Path(text).exists():
        raise InputError(
            f"{name} is {text}: MONAI's configs turn # into ::, so rename what has a # in its path."
        )
