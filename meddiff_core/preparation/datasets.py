"""The data sets of the MedDiff-FM paper: where their files lie, what their labels mean, who gives them.

Tables 1 (pretraining) and 2 (tasks) of arXiv 2410.15432; the data is datasets.json. An entry's `verified`
says which of layout, labels and licence were checked against its `source`; the rest is unchecked. Which data
sets the tables name was read from a published summary of the paper's third version, not from the paper.
"""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass, replace
from pathlib import Path

from meddiff_core.errors import InputError
from meddiff_core.preparation.layout import Layout

_LAYOUT_KEYS = ("ignore", "lesions", "lesion_value", "patient", "region", "images")


@dataclass(frozen=True)
class Dataset:
    """One entry of the registry.

    Args:
        name: what `--dataset` takes.
        title: its usual name.
        table: 1 or 2, the paper's table.
        layout: where its files lie; without image patterns it holds no volumes.
        licence: its terms.
        site: where to ask for it.
        verified: what was checked: `layout`, `labels`, `licence`.
        source: what it was checked against.
        note: what a user has to know.
    """

    name: str
    title: str
    table: int
    layout: Layout
    licence: str
    site: str
    verified: tuple[str, ...] = ()
    source: str = ""
    note: str = ""


def load_datasets() -> dict[str, Dataset]:
    """All entries by name, in the paper's order."""
    entries = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
    return {entry["name"]: _dataset(entry) for entry in entries}


def get_dataset(name: str) -> Dataset:
    """The entry `name`. Raises `InputError` if there is none, or if the data set holds no volumes."""
    datasets = load_datasets()
    if name not in datasets:
        close = difflib.get_close_matches(name, datasets, n=1)
        hint = f"did you mean {close[0]}?" if close else "--list_datasets shows all names."
        raise InputError(f"Unknown data set {name!r}: {hint}")
    if not datasets[name].layout.images:
        raise InputError(f"{datasets[name].title} holds no volumes: {datasets[name].note}")
    return datasets[name]


def dataset_table() -> str:
    """The entries as a text table."""
    rows = [("name", "table", "region", "licence", "checked", "site")]
    for dataset in load_datasets().values():
        checked = ", ".join(dataset.verified) or "-"
        rows.append(
            (dataset.name, str(dataset.table), dataset.layout.region, dataset.licence, checked, dataset.site)
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def _dataset(entry: dict) -> Dataset:
    entry = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
    labels, label_map = entry.pop("labels", ()), entry.pop("label_map", None)
    layout = Layout(**{key: entry.pop(key) for key in _LAYOUT_KEYS if key in entry})
    if labels:
        layout = replace(layout, labels=dict.fromkeys(labels, label_map))
    if layout.patient:  # ids of two data sets stay apart when their data lists are joined
        layout = replace(layout, patient=f"{entry['name']}_{layout.patient}")
    return Dataset(layout=layout, **entry)
