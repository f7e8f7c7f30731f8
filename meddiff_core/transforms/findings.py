"""The findings of an anomaly map: numbered, measured, and written as a list."""

from __future__ import annotations

import csv
import logging
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from scipy import ndimage

from meddiff_core.files import whole_file, write_json
from meddiff_core.transforms.results import Results

logger = logging.getLogger("meddiff")

_FACES_EDGES_AND_CORNERS = np.ones((3, 3, 3), dtype=bool)
_COLUMNS = ("number", "score", "ml", "mean_hu", "i", "j", "k", "x_mm", "y_mm", "z_mm")


class Findingsd(MapTransform):
    """Numbers the connected parts of a mask, the highest score first, and measures them.

    Runs after `Invertd`, so that places are those of the file that was given.

    Args:
        keys: anomaly map `(1, X, Y, Z)`; its meta gets `findings`, see `measured`.
        mask_key: its mask on the same grid.
        image_key: the scan in HU on the same grid.
        labels_key: where the mask goes in which each finding has its number.
    """

    def __init__(
        self,
        keys: KeysCollection,
        mask_key: str = "mask",
        image_key: str = "original",
        labels_key: str = "findings",
    ) -> None:
        super().__init__(keys)
        self.mask_key = mask_key
        self.image_key = image_key
        self.labels_key = labels_key

    def __call__(self, data: Mapping[Hashable, MetaTensor]) -> dict[Hashable, MetaTensor]:
        d = dict(data)
        for key in self.key_iterator(d):
            score_map, hu = (np.asarray(d[k])[0] for k in (key, self.image_key))
            labels = numbered(np.asarray(d[self.mask_key])[0] > 0, score_map)
            rows = measured(labels, score_map, hu, d[key].affine.cpu().numpy())
            d[key].meta["findings"] = rows
            d[self.labels_key] = MetaTensor(torch.from_numpy(labels)[None], meta=dict(d[self.mask_key].meta))
        return d


def numbered(mask: np.ndarray, score_map: np.ndarray) -> np.ndarray:
    """The connected parts of a mask (by faces, edges and corners), 1 for that of the highest score.

    Args:
        mask: bool `(X, Y, Z)`.
        score_map: same shape.

    Returns:
        int32 `(X, Y, Z)`.
    """
    parts, count = ndimage.label(mask, _FACES_EDGES_AND_CORNERS)
    scores = ndimage.maximum(score_map, parts, range(1, count + 1)) if count else np.zeros(0)
    numbers = np.zeros(count + 1, dtype=np.int32)
    numbers[1 + np.argsort(-np.asarray(scores), kind="stable")] = np.arange(1, count + 1)
    return numbers[parts]


def measured(
    labels: np.ndarray, score_map: np.ndarray, hu: np.ndarray, affine: np.ndarray
) -> list[dict[str, Any]]:
    """What is told of each finding.

    Args:
        labels: of `numbered`, `(X, Y, Z)`.
        score_map: same shape.
        hu: the scan, same shape.
        affine: `(4, 4)`, voxel to mm in RAS.

    Returns:
        For each finding, by its number: `score`, the highest; `ml`; `mean_hu`; and where the highest score
        is: `voxel`, counted from 0, and `mm` to the patient's right, front and head.
    """
    ml = abs(float(np.linalg.det(affine[:3, :3]))) / 1000
    rows = []
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        inside = labels[box] == number
        scores = np.where(inside, score_map[box], -np.inf)
        place = np.unravel_index(scores.argmax(), scores.shape)
        voxel = [along.start + int(at) for along, at in zip(box, place, strict=True)]
        rows.append(
            {
                "number": number,
                "score": round(float(scores.max()), 2),
                "ml": round(float(inside.sum()) * ml, 3),
                "mean_hu": round(float(hu[box][inside].mean()), 1),
                "voxel": voxel,
                "mm": [round(float(at), 1) for at in affine[:3, :3] @ voxel + affine[:3, 3]],
            }
        )
    return rows


class SaveFindingsd(MapTransform):
    """Writes the list of findings as `<stem>_<postfix>.json`, with the record of the run, and `.csv`.

    Args:
        keys: anomaly map whose meta holds `findings`, see `Findingsd`.
        results: where to write, and the record.
        postfix: says what it is, in the files' names.
    """

    def __init__(self, keys: KeysCollection, results: Results, postfix: str = "anomaly_findings") -> None:
        super().__init__(keys)
        self.results = results
        self.postfix = postfix

    def __call__(self, data: Mapping[Hashable, MetaTensor]) -> dict[Hashable, MetaTensor]:
        d = dict(data)
        for key in self.key_iterator(d):
            meta = d[key].meta
            path = self.results.path(meta, self.postfix, ".json")
            write_json(path, self.results.record(meta) | {"findings": meta["findings"]})
            with (
                whole_file(self.results.path(meta, self.postfix, ".csv")) as draft,
                draft.open("w", encoding="utf-8", newline="") as file,
            ):
                writer = csv.writer(file)
                writer.writerow(_COLUMNS)
                for row in meta["findings"]:
                    first = [row[name] for name in _COLUMNS[:4]]
                    writer.writerow([*first, *row["voxel"], *row["mm"]])
            logger.info("Wrote %s and .csv, findings: %d.", path, len(meta["findings"]))
        return d
