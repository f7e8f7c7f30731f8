"""Anatomy vocabulary: names and ids of labels, their coarse class and regions; the data is vocabulary.json.

Ids 1-117 are the classes of TotalSegmentator v2, task `total`, by their official names. 118 is the body where
nothing else is named; 119 and up are coarse classes that thresholds can find when no such map exists.
"""

from __future__ import annotations

import difflib
import json
import re
from importlib.resources import files

import numpy as np

from meddiff_core.errors import InputError

_ENTRIES = json.loads(files(__package__).joinpath("vocabulary.json").read_text(encoding="utf-8"))

LABELS: dict[int, str] = {entry["id"]: entry["name"] for entry in _ENTRIES}
"""Name of every label id; 0 is `background`, which is also the null label (unknown)."""

NUM_LABELS: int = max(LABELS) + 1
"""Rows of a table indexed by label id, e.g. an embedding."""

LABEL_REGIONS: dict[int, tuple[str, ...]] = {entry["id"]: tuple(entry["regions"]) for entry in _ENTRIES}
"""Region names (head_neck, chest, abdomen) in which a label lies."""

_IDS = {name: label for label, name in LABELS.items()}

# TotalSegmentator v1 names the chambers.
_PARTS_OF_HEART = (
    *("heart_myocardium", "heart_atrium_left", "heart_atrium_right"),
    *("heart_ventricle_left", "heart_ventricle_right"),
)

# TotalSegmentator's task `body` has two parts.
_PARTS_OF_BODY = ("body_trunc", "body_extremities")


def _words(name: str) -> frozenset[str]:
    return frozenset(re.split(r"[\W_]+", name.strip().lower()))


_IDS_BY_WORDS = {_words(part): _IDS["heart"] for part in _PARTS_OF_HEART}
_IDS_BY_WORDS |= {_words(part): _IDS["body"] for part in _PARTS_OF_BODY}
_IDS_BY_WORDS |= {_words(name): label for name, label in _IDS.items()}

BODY: int = _IDS["body"]
"""Body tissue without a name of its own."""


def label_id(name: str) -> int:
    """Id of a label name. Raises `InputError` with the closest names for an unknown one."""
    if name in _IDS:
        return _IDS[name]
    close = difflib.get_close_matches(str(name), _IDS, n=3, cutoff=0.5)
    close = close or [known for known in _IDS if str(name).lower() in known][:3]
    hint = f"did you mean {', '.join(close)}?" if close else "see meddiff_core/conditions/vocabulary.json."
    raise InputError(f"Unknown anatomy label {name!r}: {hint}")


def find_label(name: str) -> int | None:
    """Id of a name however it is written (`Right kidney`, `kidney-right`); None for an unknown one."""
    return _IDS_BY_WORDS.get(_words(name))


def label_name(label: int) -> str:
    """Name of a label id. Raises `InputError` for an id outside the vocabulary."""
    if int(label) not in LABELS:
        raise InputError(f"Unknown anatomy label id {label}: use 0 to {NUM_LABELS - 1}.")
    return LABELS[int(label)]


def _coarse_table() -> np.ndarray:
    table = np.zeros(NUM_LABELS, dtype=np.uint8)
    for entry in _ENTRIES:
        table[entry["id"]] = _IDS[entry["coarse"]]
    table.flags.writeable = False
    return table


COARSE_OF: np.ndarray = _coarse_table()
"""uint8 `(NUM_LABELS,)`: `COARSE_OF[anatomy]` turns a labelled volume into the classes of `coarse_labels`."""
