"""The options of data preparation: what they are, that they make sense, what they mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from glob import escape
from pathlib import Path

from meddiff_core.commands import words_of
from meddiff_core.errors import InputError, check_count, check_flag, check_number
from meddiff_core.preparation.datasets import get_dataset
from meddiff_core.preparation.label_map import read_label_map
from meddiff_core.preparation.layout import Layout
from meddiff_core.transforms.label_values import MaskValue, check_mask_value

# A label map, or a mask per structure, which TotalSegmentator's data set keeps one folder deeper.
_LABEL_ENDS = ("", "/*", "/segmentations/*")


@dataclass
class Options:
    """Prepare a folder of CTs for training: region volumes, anatomy maps and a data list split by patient.

    A CT that an earlier run completed from the same files with the same options is not made again.

    Args:
        input_dir: folder of CTs: NIfTI, NRRD, MHA, folders with a DICOM series.
        output_dir: where the prepared data and datalist.json go.
        val_dir: second folder that becomes the validation set; nothing else is split.
        dataset: name from --list_datasets if the folder has that data set's published layout.
        list_datasets: print the data sets that are known by name, and do nothing else.
        label_dir: TotalSegmentator maps (or its folders of masks) named like the CTs.
        label_suffix: TotalSegmentator maps beside the CTs: their names end so, e.g. _seg.
        label_map: JSON file: what the values in other label maps beside the CTs mean.
        lesion_suffix: lesion masks beside the CTs, comma-separated, e.g. _tumour,_nodule.
        lesion_value: the lesion's value where lesion masks hold several: 2, or [2,3], or all.
        ignore: names that are no CT, comma-separated, e.g. '*_aorta,*_vessels'.
        region: auto, head_neck, chest, abdomen, unknown, or 'hn_*=head_neck,abd_*=abdomen'.
        patient_pattern: regular expression: its group 1, found in a name, is the patient.
        anatomy_only: the CTs are phantoms: training takes them at high noise only.
        spacing: voxel size in mm, 1.0 in the paper; native keeps each grid.
        seed: of the split.
        val_fraction: share of the patients for validation, 0.05 in the paper.
        test_fraction: share of the patients for the test, 0.05 in the paper.
        workers: CTs at a time; 0: in this process.

    Raises:
        InputError: an option is missing or out of its range, or two contradict one another.
    """

    input_dir: str | None = None
    output_dir: str | None = None
    val_dir: str | None = None
    dataset: str | None = None
    list_datasets: bool = False
    label_dir: str | None = None
    label_suffix: str | None = None
    label_map: str | None = None
    lesion_suffix: str | Sequence[str] = ()
    lesion_value: MaskValue = None
    ignore: str | Sequence[str] = ()
    region: str | None = None
    patient_pattern: str | None = None
    anatomy_only: bool = False
    spacing: float | str = 1.0
    seed: int = 0
    val_fraction: float = 0.05
    test_fraction: float = 0.05
    workers: int = 2

    def __post_init__(self) -> None:
        if not self.list_datasets:
            _check_folders(self.input_dir, self.output_dir, self.val_dir)
        for name in ("val_fraction", "test_fraction"):
            value = getattr(self, name)
            check_number(
                f"--{name}", value, "a share of the patients from 0 to below 1", lambda v: 0 <= v < 1
            )
        if self.val_fraction + self.test_fraction >= 1:
            raise InputError(
                "--val_fraction and --test_fraction leave nothing to train on: give less than 1."
            )
        if self.label_map and (self.label_dir or self.label_suffix):
            raise InputError("--label_map names suffixes itself: leave --label_dir and --label_suffix out.")
        check_mask_value("--lesion_value", self.lesion_value)
        self.anatomy_only = check_flag("--anatomy_only", self.anatomy_only)
        check_count("--workers", self.workers, least=0)
        if self.spacing != "native":
            wanted = "the voxel size in mm, or native"
            check_number("--spacing", self.spacing, wanted, lambda v: 0 < v < 100)

    @property
    def voxel_size(self) -> float | None:
        """mm along each axis; `None` for the grid of each CT."""
        return None if self.spacing == "native" else float(self.spacing)

    def layout(self) -> Layout:
        """Layout of the named data set, or of a plain folder, with the masks where the options say."""
        layout = Layout()
        if self.dataset:
            dataset = get_dataset(self.dataset)
            layout = dataset.layout
            print(f"{dataset.title}, licence: {dataset.licence}. {dataset.note}".strip())
        if self.label_dir:
            folder = escape(str(Path(self.label_dir).resolve()))
            layout = replace(layout, labels=dict.fromkeys(f"{folder}/{{name}}{end}" for end in _LABEL_ENDS))
        elif self.label_suffix:
            layout = replace(layout, labels={f"{{name}}{self.label_suffix}": None})
        elif self.label_map:
            names = read_label_map(Path(self.label_map))
            layout = replace(layout, labels={f"{{name}}{end}": values for end, values in names.items()})
        if self.lesion_suffix:
            lesions = tuple(f"{{name}}{suffix}" for suffix in words_of(self.lesion_suffix))
            layout = replace(layout, lesions=lesions, lesion_value=None)
        if self.lesion_value is not None:
            layout = replace(layout, lesion_value=self.lesion_value)
        return replace(layout, ignore=(*layout.ignore, *words_of(self.ignore)))


def _check_folders(input_dir: str | None, output_dir: str | None, val_dir: str | None) -> None:
    """That folders of CTs and of results lie apart."""
    if input_dir is None or output_dir is None:
        raise InputError(
            "--input_dir and --output_dir are needed: give the folders of the CTs and of the results."
        )
    folders = [Path(folder).resolve() for folder in (input_dir, val_dir) if folder is not None]
    for folder in folders:
        if Path(output_dir).resolve().is_relative_to(folder):
            raise InputError(f"{output_dir} lies in {folder} with the CTs: choose another --output_dir.")
    if len(folders) == 2 and (folders[1].is_relative_to(folders[0]) or folders[0].is_relative_to(folders[1])):
        raise InputError(f"{val_dir} and {input_dir} lie in one another: separate them.")
