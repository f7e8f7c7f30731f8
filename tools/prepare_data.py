"""Prepare a folder of CTs for training: region volumes, anatomy maps and a data list split by patient.

examples:
  python tools/prepare_data.py --input_dir CTS --output_dir prepared
  python tools/prepare_data.py --input_dir AMOS22 --output_dir prepared --dataset amos22

An item that an earlier run completed from the same files with the same options is not made again.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from glob import escape
from itertools import pairwise
from pathlib import Path

import torch
from datasets import dataset_table, get_dataset
from preparation.anatomy import TOTALSEGMENTATOR, has_totalsegmentator
from preparation.item import Settings, finished_items, prepare
from preparation.layout import Layout
from preparation.sources import Rules, Source, find_sources, parse_regions
from preparation.split import split_patients
from tqdm import tqdm

from meddiff_core.errors import InputError
from meddiff_core.files import whole_file
from meddiff_core.user_errors import user_sentence

SECTIONS = ("training", "validation", "test")


def main(argv: list[str] | None = None) -> int:
    """Run the tool; 0 when every CT was prepared, 1 when one was not or nothing could be."""
    args = _parse(argv)
    if args.list_datasets:
        print(dataset_table())
        return 0
    try:
        failures = run(args)
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    for name, reason in failures:
        print(f"Skipped {name}: {reason}", file=sys.stderr)
    return 1 if failures else 0


def run(args: argparse.Namespace) -> list[tuple[str, str]]:
    """Prepare what the options name and write the data list; names and reasons of what failed."""
    _check(args)
    layout = _layout(args)
    rules = Rules(parse_regions(args.region) if args.region else (), args.patient_pattern)
    sources = find_sources(args.input_dir, layout, rules)
    held_out = find_sources(args.val_dir, layout, rules) if args.val_dir else []
    sections = _sections(sources, held_out, args)
    segment = has_totalsegmentator()
    if not segment:
        print(f"{TOTALSEGMENTATOR} is not installed: CTs without its labels get coarse classes instead.")
    settings = Settings(
        args.output_dir, _spacing(args.spacing), segment, layout.label_map, layout.lesion_values
    )
    items, failures = _prepare_all(sources + held_out, settings, args.workers)
    _write_datalist(args.output_dir, items, sections)
    return failures


def _parse(argv: list[str] | None) -> argparse.Namespace:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    add = parser.add_argument
    add("--input_dir", type=Path, help="folder of CTs: NIfTI, NRRD, MHA, folders with a DICOM series")
    add("--output_dir", type=Path, help="where the prepared data and datalist.json go")
    add("--val_dir", type=Path, help="second folder that becomes the validation set; nothing else is split")
    add("--dataset", help="name from --list_datasets if the folder has that data set's published layout")
    add("--list_datasets", action="store_true", help="print the data sets that are known by name")
    add("--label_dir", type=Path, help="TotalSegmentator maps (or its folders of masks) named like the CTs")
    add("--label_suffix", help="TotalSegmentator maps beside the CTs: their names end so, e.g. _seg")
    add("--lesion_suffix", type=_words, default=(), help="lesion masks beside the CTs, e.g. _tumour,_nodule")
    add("--ignore", type=_words, default=(), help="names that are no CT, e.g. '*_aorta,*_vessels'")
    add("--region", help="auto, head_neck, chest, abdomen, unknown, or 'hn_*=head_neck,abd_*=abdomen'")
    add("--patient_pattern", help="regular expression: its group 1, found in a name, is the patient")
    add("--spacing", default="1.0", help="voxel size in mm (default 1.0), or native")
    add("--seed", type=int, default=0, help="of the split (default 0)")
    add("--val_fraction", type=float, default=0.05, help="share of the patients (default 0.05)")
    add("--test_fraction", type=float, default=0.05, help="share of the patients (default 0.05)")
    add("--workers", type=int, default=2, help="CTs at a time (default 2); 0: in this process")
    args = parser.parse_args(argv)
    if not args.list_datasets and not (args.input_dir and args.output_dir):
        parser.error("--input_dir and --output_dir are needed")
    return args


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(","))


def _spacing(text: str) -> float | None:
    """Voxel size in mm, `None` for native."""
    if text == "native":
        return None
    try:
        spacing = float(text)
    except ValueError:
        spacing = 0.0
    if not 0 < spacing < 100:
        raise InputError(f"Unknown spacing {text!r}: give the voxel size in mm, or native.")
    return spacing


def _check(args: argparse.Namespace) -> None:
    folders = [folder.resolve() for folder in (args.input_dir, args.val_dir) if folder]
    output = args.output_dir.resolve()
    for folder in folders:
        if output.is_relative_to(folder):
            raise InputError(f"{args.output_dir} lies in {folder} with the CTs: choose another --output_dir.")
    if len(folders) == 2 and (folders[1].is_relative_to(folders[0]) or folders[0].is_relative_to(folders[1])):
        raise InputError(f"{args.val_dir} and {args.input_dir} lie in one another: separate them.")
    if min(args.val_fraction, args.test_fraction) < 0 or args.val_fraction + args.test_fraction >= 1:
        raise InputError(
            "--val_fraction and --test_fraction leave nothing to train on: give less than 1 in all."
        )
    if args.workers < 0:
        raise InputError(f"--workers {args.workers} is no number of processes: give 0 or more.")


def _layout(args: argparse.Namespace) -> Layout:
    """Layout of the named data set, or of a plain folder, with the masks where the options say."""
    layout = Layout()
    if args.dataset:
        dataset = get_dataset(args.dataset)
        layout = dataset.layout
        print(f"{dataset.title}, licence: {dataset.licence}. {dataset.note}".strip())
    if args.label_dir:
        folder = escape(str(args.label_dir.resolve()))
        layout = replace(layout, labels=(f"{folder}/{{name}}", f"{folder}/{{name}}/*"), label_map=None)
    elif args.label_suffix:
        layout = replace(layout, labels=(f"{{name}}{args.label_suffix}",), label_map=None)
    if args.lesion_suffix:
        lesions = tuple(f"{{name}}{suffix}" for suffix in args.lesion_suffix)
        layout = replace(layout, lesions=lesions, lesion_values=())
    return replace(layout, ignore=layout.ignore + args.ignore)


def _sections(sources: list[Source], held_out: list[Source], args: argparse.Namespace) -> dict[str, str]:
    """Section of the data list for every patient."""
    names = sorted(source.name for source in sources + held_out)
    for name, following in pairwise(names):
        if name == following:
            raise InputError(f"Two CTs would both be written as {name}: rename one of them.")
    patients = {source.patient for source in sources}
    if not held_out:
        return split_patients(patients, args.seed, args.val_fraction, args.test_fraction)
    shared = patients & {source.patient for source in held_out}
    if shared:
        raise InputError(f"Patient {min(shared)} is in --input_dir and in --val_dir: move it to one of them.")
    return dict.fromkeys(patients, "training") | {source.patient: "validation" for source in held_out}


def _prepare_all(
    sources: list[Source], settings: Settings, workers: int
) -> tuple[list[dict], list[tuple[str, str]]]:
    """Items of all sources, and names and reasons of what failed."""
    done = {source: finished_items(source, settings) for source in sources}
    todo = [source for source in sources if done[source] is None]
    print(f"{len(sources)} CTs, {len(sources) - len(todo)} of them prepared before.")
    failures = []
    with _pool(workers) as pool:
        futures = {pool.submit(prepare, source, settings): source for source in todo}
        for future in tqdm(as_completed(futures), total=len(todo), unit="CT", disable=not todo):
            try:
                done[futures[future]] = future.result()
            except Exception as error:  # one bad file does not stop the others
                failures.append((futures[future].name, _reason(error)))
    items = [{**item, "patient": source.patient} for source in sources for item in done[source] or ()]
    return items, sorted(failures)


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
    with whole_file(output_dir / "datalist.json") as draft:
        draft.write_text(json.dumps(datalist, indent=1), encoding="utf-8")
    counts = ", ".join(f"{len(datalist[section])} for {section}" for section in SECTIONS)
    print(f"{output_dir / 'datalist.json'} lists {counts}.")


if __name__ == "__main__":
    sys.exit(main())
