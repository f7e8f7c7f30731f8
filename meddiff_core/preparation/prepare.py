"""Prepare a folder of CTs for training: region volumes, anatomy maps and a data list split by patient."""

from __future__ import annotations

import multiprocessing
import sys
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from itertools import pairwise
from pathlib import Path

import torch
from tqdm import tqdm

from meddiff_core.commands import with_options
from meddiff_core.errors import InputError, user_sentence
from meddiff_core.files import write_json
from meddiff_core.preparation.anatomy import TOTALSEGMENTATOR, has_totalsegmentator
from meddiff_core.preparation.datasets import dataset_table
from meddiff_core.preparation.item import REASON_KEY, UNSURE, Settings, finished_items, prepare
from meddiff_core.preparation.options import Options
from meddiff_core.preparation.sources import Rules, Source, find_sources, parse_regions
from meddiff_core.preparation.split import split_patients

SECTIONS = ("training", "validation", "test")


def prepare_data(options: Options) -> None:
    """Prepare every CT that the options name and write the data list; names on stderr what failed.

    Raises:
        InputError: nothing can be prepared.
        SystemExit: 1 when a CT failed; the others are prepared.
    """
    if options.list_datasets:
        print(dataset_table())
        return
    failures = _run(options)
    for name, reason in failures:
        print(f"Skipped {name}: {reason}", file=sys.stderr)
    if failures:
        sys.exit(1)


command = with_options(Options, prepare_data)
"""`prepare_data` for the command line."""


def _run(options: Options) -> list[tuple[str, str]]:
    """Names and reasons of what failed."""
    layout = options.layout()
    rules = Rules(parse_regions(options.region) if options.region else (), options.patient_pattern)
    sources = find_sources(Path(options.input_dir), layout, rules)
    held_out = find_sources(Path(options.val_dir), layout, rules) if options.val_dir else []
    sections = _sections(sources, held_out, options)
    segment = has_totalsegmentator()
    if not segment:
        print(f"{TOTALSEGMENTATOR} is not installed: CTs without its labels get coarse classes instead.")
    folder = Path(options.output_dir)
    settings = Settings(folder, options.voxel_size, segment, layout.lesion_value, options.anatomy_only)
    items, failures = _prepare_all(sources + held_out, settings, options.workers)
    if items:
        print(region_table(items))
    _write_datalist(folder, items, sections)
    return failures


def _sections(sources: list[Source], held_out: list[Source], options: Options) -> dict[str, str]:
    """Section of the data list for every patient."""
    names = sorted(source.name for source in sources + held_out)
    for name, following in pairwise(names):
        if name == following:
            raise InputError(f"Two CTs would both be written as {name}: rename one of them.")
    patients = {source.patient for source in sources}
    if not held_out:
        return split_patients(patients, options.seed, options.val_fraction, options.test_fraction)
    shared = patients & {source.patient for source in held_out}
    if shared:
        raise InputError(f"Patient {min(shared)} is in --input_dir and in --val_dir: move it to one of them.")
    return dict.fromkeys(patients, "training") | {source.patient: "validation" for source in held_out}


def _prepare_all(
    sources: list[Source], settings: Settings, workers: int
) -> tuple[list[dict], list[tuple[str, str]]]:
    """Items of all sources, and names and reasons of what failed."""
    done = {source.name: finished_items(source, settings) for source in sources}
    todo = [source for source in sources if done[source.name] is None]
    print(f"{len(sources)} CTs, {len(sources) - len(todo)} of them prepared before.")
    failures = []
    with _pool(workers) as pool:
        futures = {pool.submit(prepare, source, settings): source for source in todo}
        for future in tqdm(as_completed(futures), total=len(todo), unit="CT", disable=not todo):
            try:
                done[futures[future].name] = future.result()
            except Exception as error:  # one bad file does not stop the others
                failures.append((futures[future].name, _reason(error)))
    items = [{**item, "patient": source.patient} for source in sources for item in done[source.name] or ()]
    return items, sorted(failures)


def region_table(items: list[dict]) -> str:
    """One line an item: its region and why, the doubtful ones first; takes the reasons out of the items."""
    reasons = {item["image"]: item.pop(REASON_KEY, "prepared by an earlier version") for item in items}
    rows = [(item["region"], item["image"], reasons[item["image"]]) for item in items]
    rows.sort(key=lambda row: (not row[2].startswith(UNSURE), row[0], row[1]))
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    lines = [f"{region:<{widths[0]}}  {image:<{widths[1]}}  {reason}" for region, image, reason in rows]
    confirm = "Confirm these regions before training; name a wrong one, as in --region 'scan7*=chest,*=auto'."
    return "\n".join([*lines, confirm])


def _pool(workers: int) -> Executor:
    if workers == 0:
        return ThreadPoolExecutor(1)
    # Not forked: torch and ITK hold threads that do not survive it. One thread each, as there are workers.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, context, torch.set_num_threads, (1,))


def _reason(error: Exception) -> str:
    if isinstance(error, BrokenProcessPool):
        return "A worker was killed, most often for want of memory: use fewer --workers."
    return user_sentence(error) or f"{type(error).__name__}: {error}"


def _write_datalist(output_dir: Path, items: list[dict], sections: dict[str, str]) -> None:
    datalist = {"name": output_dir.resolve().name, "modality": {"0": "CT"}, "tensorImageSize": "3D"}
    for section in SECTIONS:
        datalist[section] = [item for item in items if sections[item["patient"]] == section]
    write_json(output_dir / "datalist.json", datalist)
    counts = ", ".join(f"{len(datalist[section])} for {section}" for section in SECTIONS)
    print(f"{output_dir / 'datalist.json'} lists {counts}.")
