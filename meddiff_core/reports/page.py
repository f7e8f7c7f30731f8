"""The page beside a result: one HTML file to scroll through it, before and after, without a network."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from monai.config import KeysCollection

from meddiff_core.files import whole_file
from meddiff_core.reports.beside import BesideResult
from meddiff_core.reports.page_scene import page_scene
from meddiff_core.reports.page_text import page_tables, page_title
from meddiff_core.reports.page_volumes import MAX_VOXELS, frame_for
from meddiff_core.transforms.results import Results

_ASSETS = resources.files("meddiff_core.reports") / "page_assets"


class SavePaged(BesideResult):
    """Write `<stem>_<postfix>.html`, a result to scroll through; for postprocessing, after `Invertd`.

    Args:
        keys: results, MetaTensors `(1, X, Y, Z)`. The meta names the `region`, whose window is shown
            first, `filename_or_obj`, of which only the last part appears, and `findings`, if any.
        volumes: title and key (None for the result) of one CT in HU, or of two to compare, such as
            `{"input": "original", "denoised": None}`, all on one grid.
        results: where to write, and the record that is shown.
        overlays: title and key of masks, label maps, or maps in HU on the same grid; default none.
        postfix: says what was done, in the file's name. Default "denoised".
    """

    suffix = ".html"

    def __init__(
        self,
        keys: KeysCollection,
        volumes: Mapping[str, str | None],
        results: Results,
        overlays: Mapping[str, str] | None = None,
        postfix: str = "denoised",
    ) -> None:
        self.overlays = dict(overlays or {})
        super().__init__(keys, {**volumes, **self.overlays}, results, postfix)

    def write(
        self, path: Path, meta: Mapping[str, Any], spacing: list[float], volumes: Mapping[str, np.ndarray]
    ) -> None:
        overlays = {name: volumes[name] for name in self.overlays}
        shown = {name: volume for name, volume in volumes.items() if name not in overlays}
        found = {"findings": meta["findings"]} if "findings" in meta else {}
        write_page(path, shown, overlays, spacing, self.results.record(meta) | found)


def write_page(
    path: str | Path,
    volumes: Mapping[str, np.ndarray],
    overlays: Mapping[str, np.ndarray],
    spacing: Sequence[float],
    record: Mapping[str, Any],
    max_voxels: int = MAX_VOXELS,
) -> None:
    """Write the page.

    Args:
        path: HTML file to write.
        volumes: title and CT `(X, Y, Z)` in HU, axes towards right, anterior, superior; one, or two
            to compare.
        overlays: title and mask, label map or map in HU, same shape.
        spacing: voxel size in mm.
        record: of `Results.record`; its region's window is shown first, its `findings` are listed.
        max_voxels: of all CTs together; voxels are joined, and the page says so, where there are more.

    Raises:
        InputError: the file cannot be written.
    """
    frame = frame_for(list(volumes.values()), list(overlays.values()), spacing, max_voxels)
    scene = page_scene(volumes, overlays, frame, spacing, str(record["scan"].get("region", "unknown")))
    page = Template(_asset("page.html")).substitute(
        title=html.escape(page_title(record)),
        badge=html.escape(str(record["kind"]).upper()),
        kind=html.escape(str(record["kind"]).replace(" ", "-")),
        tables=page_tables(record, volumes, overlays, spacing, frame),
        style=_asset("page.css"),
        scene=json.dumps(scene).replace("<", "\\u003c"),  # no name in it can end the script element
        script=_asset("planes.js") + _asset("page.js"),
    )
    with whole_file(path) as draft:
        # the name of a file may hold bytes that are no characters
        draft.write_text(page, encoding="utf-8", errors="replace")


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")
