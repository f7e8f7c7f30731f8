"""The options of data preparation: what they are, that they make sense, what they mean."""

from __future__ import annotations

import argparse
from dataclasses import replace
from glob import escape
from pathlib import Path

from meddiff_core.errors import InputError
from meddiff_core.preparation.datasets import get_dataset
from meddiff_core.preparation.label_map import read_label_map
from meddiff_core.preparation.layout import Layout


def parse_options(argv: list[str] | None, description: str) -> argparse.Namespace:
    """Options from the command line; ends the program on one that does not exist."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=description, formatter_class=formatter)
    add = parser.add_argument
    add("--input_dir", type=Path, help="folder of CTs: NIfTI, NRRD, MHA, folders with a DICOM series")
    add("--output_dir", type=Path, help="where the prepared data and datalist.json go")
    add("--val_dir", type=Path, help="second folder that becomes the validation set; nothing else is split")
    add("--dataset", help="name from --list_datasets if the folder has that data set's published layout")
    add("--list_datasets", action="store_true", help="print the data sets that are known by name")
    add("--label_dir", type=Path, help="TotalSegmentator maps (or its folders of masks) named like the CTs")
    add("--label_suffix", help="TotalSegmentator maps beside the CTs: their names end so, e.g. _seg")
    add("--label_map", type=Path, help="JSON file: what the values in other label maps beside the CTs mean")
    add("--lesion_suffix", type=_words, default=(), help="lesion masks beside the CTs, e.g. _tumour,_nodule")
    add("--ignore", type=_words, default=(), help="names that are no CT, e.g. '*_aorta,*_vessels'")
    add("--region", help="auto, head_neck, chest, abdomen, unknown, or 'hn_*=head_neck,abd_*=abdomen'")
    add("--patient_pattern", help="regular expression: its group 1, found in a name, is the patient")
    add("--anatomy_only", action="store_true", help="phantoms: training takes them at high noise only")
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


def chosen_spacing(text: str) -> float | None:
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


def check_options(args: argparse.Namespace) -> None:
    """Raise `InputError` for options that contradict one another."""
    folders = [folder.resolve() for folder in (args.input_dir, args.val_dir) if folder]
    output = args.output_dir.resolve()
    for folder in folders:
        if output.is_relative_to(folder):
            raise InputError(f"{args.output_dir} lies in {folder} with the CTs: choose another --output_dir.")
    if len(folders) == 2 and (folders[1].is_relative_to(folders[0]) or folders[0].is_relative_to(folders[1])):
        raise InputError(f"{args.val_dir} and {args.input_dir} lie in one another: separate them.")
    if min(args.val_fraction, args.test_fraction) < 0 or args.val_fraction + args.test_fraction >= 1:
        raise InputError("--val_fraction and --test_fraction leave nothing to train on: give less than 1.")
    if args.label_map and (args.label_dir or args.label_suffix):
        raise InputError("--label_map names suffixes itself: leave --label_dir and --label_suffix out.")
    if args.workers < 0:
        raise InputError(f"--workers {args.workers} is no number of processes: give 0 or more.")


def chosen_layout(args: argparse.Namespace) -> Layout:
    """Layout of the named data set, or of a plain folder, with the masks where the options say."""
    layout = Layout()
    if args.dataset:
        dataset = get_dataset(args.dataset)
        layout = dataset.layout
        print(f"{dataset.title}, licence: {dataset.licence}. {dataset.note}".strip())
    if args.label_dir:
        folder = escape(str(args.label_dir.resolve()))
        layout = replace(layout, labels=dict.fromkeys((f"{folder}/{{name}}", f"{folder}/{{name}}/*")))
    elif args.label_suffix:
        layout = replace(layout, labels={f"{{name}}{args.label_suffix}": None})
    elif args.label_map:
        names = read_label_map(args.label_map)
        layout = replace(layout, labels={f"{{name}}{suffix}": values for suffix, values in names.items()})
    if args.lesion_suffix:
        lesions = tuple(f"{{name}}{suffix}" for suffix in args.lesion_suffix)
        layout = replace(layout, lesions=lesions, lesion_values=())
    return replace(layout, ignore=layout.ignore + args.ignore)
