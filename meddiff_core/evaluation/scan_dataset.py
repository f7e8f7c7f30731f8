"""A data set of scans in which an unusable scan is an item that says why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from monai.data import Dataset, MetaTensor

from meddiff_core.errors import InputError, user_sentence
from meddiff_core.evaluation.batch import Batch
from meddiff_core.transforms.scans import list_scans

FAILED = "failed"
"""Key that marks an item which could not be used; it holds the sentence that says why."""

USER_ERRORS = (InputError, OSError)
"""What the user can do something about; an OSError is a disk or a permission."""


class ScanDataset(Dataset):
    """Scans for inference and evaluation.

    What a user gave wrongly does not raise here but becomes an item that `ScanEvaluator` reports.

    Args:
        data: what `list_scans` expands (a file, a folder, a DICOM folder, a list of those), ready items, or a
            function that returns those, such as `anatomy_items` with its options.
        transform: the preprocessing.
        anatomy: label maps beside `data`, see `list_scans`.
        organ: organ masks beside `data`, see `list_scans`.
        batch: chooses among the items; default all of them.
    """

    def __init__(
        self,
        data: str | Path | Sequence[str | Path] | Sequence[dict] | Callable[[], list[dict]],
        transform: Sequence[Callable] | Callable | None = None,
        anatomy: str | Path | None = None,
        organ: str | Path | None = None,
        batch: Batch | None = None,
    ) -> None:
        self.batch = batch
        try:
            if callable(data):
                data = data()
            elif not (isinstance(data, Sequence) and data and isinstance(data[0], dict)):
                data = list_scans(data, anatomy, organ=organ)
            if batch is not None:
                data = batch.chosen(data)
        except USER_ERRORS as error:
            data = [{"image": str(data), FAILED: str(error)}]
        super().__init__(data, transform)

    def _transform(self, index: int) -> dict:
        item = self.data[index]
        if FAILED in item:
            return item
        try:
            result = super()._transform(index)
        except Exception as error:
            sentence = user_sentence(error, USER_ERRORS)
            if sentence is None:
                raise
            return {"image": str(item["image"]), FAILED: sentence}
        if item.get("output"):
            for value in result.values():
                if isinstance(value, MetaTensor):
                    value.meta["output"] = item["output"]
        return result
