"""A folder that looks like the repository's root to a command, with the files that the documents name."""

from __future__ import annotations

import json
import os
import runpy
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import monai.bundle
import nibabel as nib
import numpy as np
import torch
from doc_commands import ROOT
from fire.parser import DefaultParseValue
from PIL import Image
from scipy.ndimage import binary_dilation
from zoo_rules.markdown import Command

from meddiff_core.evaluation.journal import Journal
from meddiff_core.metrics.lesion_segmenter import segmenter_network
from meddiff_core.phantoms import make_phantom

SHAPE, SPACING = (32, 32, 16), (10.0, 10.0, 10.0)

_TRAIN = (
    "--epoch_length 1 --max_epochs 1 --val_interval 2 --patch_size 16 --batch_size 1 --num_workers 0 "
    "--precision float32"
)
SMALLER = {
    "train.json": _TRAIN,
    # the phantoms' voxels of 10 mm are too coarse to learn slices from
    "ct_super_resolution/configs/train.json": "--train#random_transforms#0#max_voxel_mm 20",
    "segmenter.json": "--epoch_length 1 --max_epochs 1 --patch_size 32 --batch_size 1 --voxel_size 10",
    "ct_anomaly_detection/configs/inference.json": "--samples 1",
    "ct_lesion_generation/configs/inference.json --": "--steps 1 --lesion_diameter [40,50]",
    "ct_lesion_generation/configs/evaluate.json": "--steps 1",
    "ct_lesion_inpainting/configs/inference.json": "--steps 1 --lesion_diameter [40,50] --samples 2",
    "ct_synthesis/configs/inference.json": "--steps 1",
    "ct_lesion_inpainting/configs/evaluate.json": "--samples 1",
    "ct_super_resolution/configs/evaluate.json": "--factor 2",
    "tools/prepare_data.py": "--workers 0",
    "--lesion_suffix _tumour": "--input_dir my_cts_with_lesions",
    "tools/make_phantom.py": "--shape 24,24,16",
    "benchmark.py anomaly": "--methods zscore,ours --spacing 10",
    "benchmark.py denoising": "--methods noisy,ours_1",
    "benchmark.py lesion": "--methods texture --samples 1",
    "benchmark.py super_resolution": "--methods trilinear,ours_1 --slabs 2",
    "tools/package_bundle.py": "--bundles ct_denoising",
    "tools/verify_bundles.py": "--bundles ct_denoising",
}
"""Options that replace or follow those of a command in which these words stand: less of the same."""

PATHS = {"DIR": "unpacked", "list.json": "lesions.json"}
"""Words of the documents that stand for the reader's own files."""

TRAINED = {
    "my_foundation": "ct_foundation",
    "my_lesions": "ct_lesion_generation",
    "my_superres": "ct_super_resolution",
}
"""What the commands on fine-tuning train, in runs/, and the bundle whose weights stand for it."""


def smaller(command: Command) -> list[str]:
    """The words of a command with its paths and sizes replaced."""
    words = [PATHS.get(word, word) for word in command.words]
    for named, options in SMALLER.items():
        if named not in str(command):
            continue
        extra = options.split()
        for name, value in zip(extra[::2], extra[1::2], strict=True):
            if name in words:
                words[words.index(name) + 1] = value
            else:
                words += [name, value]
    return words


def make_files(folder: Path) -> None:
    """Everything that the documents' commands read, from phantoms of 32 x 32 x 16 voxels."""
    for number in range(3):
        phantom = make_phantom("chest", SHAPE, SPACING, seed=number, lesions=3)
        lesion = binary_dilation(phantom.lesion).astype(np.uint8)  # some were a single voxel
        _save(folder / "pool" / f"made{number}.nii.gz", phantom.hu.astype(np.int16), phantom.affine)
        _save(folder / "pool" / f"made{number}_mask.nii.gz", lesion, phantom.affine)
        for kind in ("my_cts", "my_cts_with_lesions"):
            _save(folder / kind / f"patient{number}.nii.gz", phantom.hu.astype(np.int16), phantom.affine)
        _save(folder / kind / f"patient{number}_tumour.nii.gz", lesion, phantom.affine)
        if number == 0:
            names = {"scan": phantom.hu, "thin": phantom.hu, "mask": lesion}
            names["liver_and_tumours"] = np.where(lesion, 2, phantom.anatomy > 0)
            for name, volume in (names | {"anatomy": phantom.anatomy}).items():
                dtype = np.int16 if volume is phantom.hu else np.uint8
                _save(folder / f"{name}.nii.gz", volume.astype(dtype), phantom.affine)
    item = {"image": "scan.nii.gz", "lesion": "mask.nii.gz", "region": "chest", "organ_name": "lung"}
    healthy = {"image": "my_cts/patient1.nii.gz", "region": "chest", "organ_name": "lung"}
    lists = {"validation": [item], "reference": [healthy]}
    (folder / "lesions.json").write_text(json.dumps(lists))
    (folder / "scans.csv").write_text("image,output\nscan.nii.gz,one\nmy_cts/patient1.nii.gz,two\n")
    (folder / "out").mkdir()
    for name in ("scan.nii.gz", "my_cts/patient1.nii.gz"):
        Journal(folder / "out" / "journal.jsonl").write(name, "", "done")
    (folder / "names.json").write_text(json.dumps({"_tumour": {"1": "body"}}))
    for kind in ("slices", "masks"):
        (folder / kind).mkdir()
        for number in range(8):
            Image.new("L", (16, 16), 8 * number).save(folder / kind / f"slice{number}.png")
    (folder / "runs" / "lesion_segmenter").mkdir(parents=True)
    torch.save(segmenter_network().state_dict(), folder / "runs" / "lesion_segmenter" / "segmenter.pt")
    for name, bundle in TRAINED.items():
        weights = folder / "runs" / name / "models" / "model.pt"
        weights.parent.mkdir(parents=True)
        weights.symlink_to(ROOT / "bundles" / bundle / "models" / "model.pt")
    start(["python", "tools/prepare_data.py", *_prepare().split()], folder)
    start(["python", "tools/package_bundle.py", "--output_dir", "dist", "--bundles", "ct_denoising"], folder)
    (archive,) = (folder / "dist").glob("*.zip")
    zipfile.ZipFile(archive).extractall(folder / "unpacked")


def _prepare() -> str:
    options = "--input_dir my_cts_with_lesions --output_dir prepared --spacing native --lesion_suffix _tumour"
    return f"{options} --val_fraction 0.34 --workers 0"


def _save(path: Path, volume: np.ndarray, affine: np.ndarray) -> None:
    path.parent.mkdir(exist_ok=True)
    nib.save(nib.Nifti1Image(volume, affine), path)


def results_of(command: Command) -> list[str]:
    """The files and folders that a command names as its results."""
    kinds = ("output_dir", "output", "mask_output")
    return [value for name, value in command.options.items() if name in kinds]


def fill(folder: Path, files: Path, without: Sequence[str] = ()) -> None:
    """Link the documents' files, the bundles and the tools into a folder, but for a command's results."""
    for source in (*files.iterdir(), ROOT / "bundles", ROOT / "tools"):
        if not any(Path(result).parts[:1] == (source.name,) for result in without):
            (folder / source.name).symlink_to(source)


def start(words: Sequence[str], folder: Path) -> None:
    """Run a command of Python in this process, as if it were started in a folder.

    Raises:
        AssertionError: if it ends with another code than 0.
    """
    assert words[0] == "python", "neither Python nor an exception in test_documents.py"
    before, hook, arguments = Path.cwd(), sys.excepthook, sys.argv
    os.chdir(folder)
    try:
        if words[1] == "-c":
            exec(words[2], {})
        elif "monai.bundle" in words:
            options = Command(tuple(words)).options
            monai.bundle.run(
                logging_file=False, **{name: DefaultParseValue(value) for name, value in options.items()}
            )
        else:
            sys.argv = list(words[1:])
            runpy.run_path(str(ROOT / words[1]), run_name="__main__")
    except SystemExit as end:
        assert not end.code, f"exit code {end.code}"
    finally:
        os.chdir(before)
        sys.excepthook, sys.argv = hook, arguments
