"""Scans that are done, and the journal."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from meddiff_core.errors import InputError
from meddiff_core.evaluation.batch import Batch
from meddiff_core.evaluation.journal import Journal, summarize
from meddiff_core.transforms.results import Results


@pytest.fixture
def bundle_root(tmp_path):
    (tmp_path / "bundle" / "configs").mkdir(parents=True)
    (tmp_path / "bundle" / "configs" / "metadata.json").write_text('{"name": "b", "version": "1.0.0"}')
    (tmp_path / "weights.pt").write_bytes(b"first")
    return tmp_path / "bundle"


@pytest.fixture
def batch(bundle_root, tmp_path):
    """batch(existing, **options) -> of a run with these options."""

    def build(existing="skip", journal=None, **options):
        results = Results(tmp_path / "out", bundle_root, [tmp_path / "weights.pt"], options=options)
        return Batch(results, ["map", "mask"], existing=existing, journal=journal)

    return build


@pytest.fixture
def items(tmp_path):
    names = [tmp_path / f"{name}.nii.gz" for name in "ab"]
    for name in names:
        name.write_text("scan")
        os.utime(name, (1000, 1000))
    return [{"image": str(name)} for name in names]


def finish(batch, item):
    """What a run writes of an item."""
    for postfix in batch.postfixes:
        meta = {"filename_or_obj": item["image"]}
        path = batch.results.path(meta, postfix, ".nii.gz")
        path.parent.mkdir(exist_ok=True)
        path.write_text("result")
        batch.results.write_record(batch.results.path(meta, postfix, ".json"), meta)


def test_done_is_what_was_made_alike(batch, items, tmp_path):
    assert batch(seed=1).chosen(items) == items
    finish(batch(seed=1), items[0])
    journal = tmp_path / "new" / "journal.jsonl"
    assert batch(seed=1, journal=journal).chosen(items) == items[1:]
    (line,) = map(json.loads, journal.read_text().splitlines())
    assert (line["image"], line["state"]) == (items[0]["image"], "skipped")
    assert batch(seed=2).chosen(items) == items
    assert batch(seed=1, preset="fast").chosen(items) == items
    assert batch("redo", seed=1).chosen(items) == items


UNDONE = {
    "other weights": lambda folder: (folder / "weights.pt").write_bytes(b"second"),
    "a volume is gone": lambda folder: (folder / "out" / "a_mask.nii.gz").unlink(),
    "a record is gone": lambda folder: (folder / "out" / "a_mask.json").unlink(),
    "a record is cut off": lambda folder: (folder / "out" / "a_map.json").write_text('{"bundle'),
    "the scan is newer": lambda folder: os.utime(folder / "a.nii.gz"),
}


@pytest.mark.parametrize("change", UNDONE)
def test_not_done(change, batch, items, tmp_path):
    finish(batch(), items[0])
    for path in (tmp_path / "out").glob("*.json"):
        os.utime(path, (2000, 2000))
    assert batch().chosen(items) == items[1:]
    UNDONE[change](tmp_path)
    assert batch().chosen(items) == items


def test_refuse(batch, items):
    assert batch("refuse").chosen(items) == items
    finish(batch(), items[1])
    with pytest.raises(InputError, match=r"b_map.nii.gz is there already: use existing skip or redo"):
        batch("refuse").chosen(items)
    with pytest.raises(InputError, match="existing is 'keep': use one of redo, skip, refuse"):
        batch("keep")


def test_lines_of_many_writers_do_not_mix(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: journal.write(f"{i}" * 500, "", "done"), range(200)))
    lines = [json.loads(line) for line in journal.path.read_text().splitlines()]
    assert sorted(line["image"] for line in lines) == sorted(f"{i}" * 500 for i in range(200))


@pytest.mark.parametrize(
    ("lines", "code", "said"),
    [
        ([], 2, "Done: 0, failed: 0, missing: 2"),
        ([("a", "done")], 1, "Done: 1, failed: 0, missing: 1"),
        ([("a", "done"), ("b", "failed")], 1, "b.nii: no room"),
        ([("a", "done"), ("b", "failed"), ("b", "done")], 0, "Done: 2, failed: 0, missing: 0"),
        ([("a", "skipped"), ("b", "done")], 0, "Done: 2"),
    ],
)
def test_summary(lines, code, said, tmp_path, capsys):
    (tmp_path / "list.csv").write_text("image\na.nii\nb.nii\n")
    journal = Journal(tmp_path / "journal.jsonl")
    for name, state in lines:
        journal.write(f"{tmp_path}/{name}.nii", "", state, 1.0, "no room" if state == "failed" else "")
    ended = 0
    try:
        summarize(str(journal.path), str(tmp_path / "list.csv"))
    except SystemExit as end:
        ended = end.code
    assert ended == code
    assert said in capsys.readouterr().out


def test_a_journal_that_is_none(tmp_path):
    (tmp_path / "other.jsonl").write_text('{"image": 1}\n')
    with pytest.raises(InputError, match="line 1, is no line of a journal"):
        summarize(str(tmp_path / "other.jsonl"))
