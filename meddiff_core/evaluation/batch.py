"""Which scans of a list a run takes: its part of them, without those that are done; and a line for each."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from meddiff_core.errors import InputError, check_choice
from meddiff_core.evaluation.journal import SKIPPED, Journal
from meddiff_core.evaluation.part import part_of
from meddiff_core.transforms.results import Results

logger = logging.getLogger("meddiff")

EXISTING = ("redo", "skip", "refuse")
# What a record says of how a result was made; date, software and facts of the scan may differ.
_MADE_BY = ("bundle", "version", "weights_sha256", "kind", "input", "seed", "options")


class Batch:
    """Choose items of a data set.

    A scan is done where each of its volumes is there with a record of the same bundle, weights, seed and
    options, and none of its files is newer than the record.

    Args:
        results: where results are written, and with what record.
        postfixes: of the volumes that a run writes of one scan.
        part: of the list that this run takes, see `part_of`. Default all.
        existing: `redo` (default) processes every scan; `skip` leaves out those that are done; `refuse` ends
            the run where a volume of one is there already.
        journal: file to which a line is appended for each scan, see `Journal`; default none.

    Raises:
        InputError: `existing` is none of these, or the journal's folder cannot be made.
    """

    def __init__(
        self,
        results: Results,
        postfixes: Sequence[str],
        part: str | None = None,
        existing: str = "redo",
        journal: str | Path | None = None,
    ) -> None:
        self.results = results
        self.postfixes = list(postfixes)
        self.part = part
        self.existing = check_choice("existing", existing, EXISTING)
        self.journal = Journal(journal)

    def chosen(self, items: Sequence[dict]) -> list[dict]:
        """The items that are to be processed.

        Raises:
            InputError: the part is none, see `part_of`; or results are there that must not be replaced.
        """
        taken = part_of(items, self.part)
        if len(taken) < len(items):
            logger.info("Part %s: scans taken: %d of %d.", self.part, len(taken), len(items))
        if self.existing == "redo":
            return taken
        if self.existing == "refuse":
            self._refuse(taken)
            return taken
        done = [item for item in taken if self._is_done(item)]
        for item in done:
            self.journal.write(str(item["image"]), str(item.get("number", "")), SKIPPED)
        if done:
            logger.info("Done already and left out: %d of %d scans.", len(done), len(taken))
        return [item for item in taken if item not in done]

    def _refuse(self, items: Sequence[dict]) -> None:
        for item in items:
            for postfix in self.postfixes:
                path = self._volume(item, postfix)
                if path is not None:
                    raise InputError(
                        f"{path} is there already: use existing skip or redo, or another output_dir."
                    )

    def _is_done(self, item: Mapping) -> bool:
        expected = json.loads(json.dumps(self.results.record(_meta(item))))
        files = [Path(str(item[key])) for key in ("image", "anatomy", "lesion", "organ") if item.get(key)]
        newest = max((path.stat().st_mtime for path in files if path.exists()), default=0.0)
        for postfix in self.postfixes:
            path = self.results.path(_meta(item), postfix, ".json")
            try:
                record = json.loads(path.read_text(encoding="utf-8"))
                same = all(record[name] == expected[name] for name in _MADE_BY)
                if not same or path.stat().st_mtime < newest or self._volume(item, postfix) is None:
                    return False
            except (OSError, ValueError, KeyError, TypeError):
                return False
        return True

    def _volume(self, item: Mapping, postfix: str) -> Path | None:
        """The volume of an item that is there: a file, or the folder of a DICOM series."""
        found = (self.results.path(_meta(item), postfix, suffix) for suffix in (".nii.gz", ""))
        return next((path for path in found if path.exists()), None)


def _meta(item: Mapping) -> dict:
    """What the metadata of a result say of the item that it is made from."""
    return {"filename_or_obj": str(item["image"])} | {
        name: item[name] for name in ("output", "sample", "number") if name in item
    }
