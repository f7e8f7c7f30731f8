"""Write lesions with their masks so that a segmenter can be trained on them."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Hashable, Mapping
from pathlib import Path

from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from meddiff_core.errors import InputError
from meddiff_core.files import write_json
from meddiff_core.transforms.grids import on_grid_of
from meddiff_core.transforms.provenance import Provenance
from meddiff_core.transforms.save import save_volume
from meddiff_core.transforms.scans import result_name

logger = logging.getLogger("meddiff")

LAYOUTS = ("files", "nnunet")
_DESCRIPTION = "MedDiff-FM synthetic lesion, research use only"
# nnU-Net looks into the folders of images and labels only.
_RECORDS = "provenance"
# By "CT" nnU-Net chooses its normalisation.
_NNUNET = {
    "channel_names": {"0": "CT"},
    "labels": {"background": 0, "lesion": 1},
    "file_ending": ".nii.gz",
}


class SaveTrainingPaird(MapTransform):
    """Write the mask beside a result, or both as a case of an nnU-Net data set; runs after `Invertd`.

    The mask has the result's grid to the last digit. Layout `files` adds `<stem>_<postfix>_mask.nii.gz` to
    what `SaveCTd` writes. Layout `nnunet` adds a case to the folder `Dataset<id>_<name>`, nnU-Net v2 raw
    format: point its `nnUNet_raw` at `output_dir`.

    Args:
        keys: the result in HU, a MetaTensor `(1, X, Y, Z)` whose meta holds `filename_or_obj`.
        lesion_key: its mask on the same grid, nonzero within.
        output_dir: folder to write to; made if absent.
        postfix: says what was done, in the names of files and cases. Default "lesion".
        layout: `files` (default) or `nnunet`.
        dataset_id: 1 to 999; default 900, far from those of public data sets.
        dataset_name: letters, digits, - and _.
        provenance: fills the descriptions in the headers, and is written beside the mask, or for nnU-Net to
            the data set's folder `provenance`; None (default) does neither.

    Raises:
        InputError: an option is outside its range, a file cannot be written, or the data set is another's.
        ValueError: result and mask are not on one grid.
    """

    def __init__(
        self,
        keys: KeysCollection = "pred",
        lesion_key: str = "lesion",
        output_dir: str | Path = "out",
        postfix: str = "lesion",
        layout: str = "files",
        dataset_id: int = 900,
        dataset_name: str = "SyntheticLesion",
        provenance: Provenance | None = None,
    ) -> None:
        super().__init__(keys)
        if layout not in LAYOUTS:
            raise InputError(f"layout is {layout!r}: use one of {', '.join(LAYOUTS)}.")
        if isinstance(dataset_id, bool) or not isinstance(dataset_id, int) or not 1 <= dataset_id <= 999:
            raise InputError(f"dataset_id is {dataset_id!r}: use a whole number from 1 to 999.")
        if not re.fullmatch(r"[\w-]+", str(dataset_name), re.ASCII):
            raise InputError(f"dataset_name is {dataset_name!r}: use letters, digits, - and _ only.")
        self.lesion_key = lesion_key
        self.output_dir = Path(output_dir).expanduser()
        self.postfix = postfix
        self.layout = layout
        self.dataset = f"Dataset{dataset_id:03d}_{dataset_name}"
        self.provenance = provenance

    def __call__(self, data: Mapping[Hashable, MetaTensor]) -> dict[Hashable, MetaTensor]:
        d = dict(data)
        for key in self.key_iterator(d):
            image, mask = d[key], _on_grid(d[self.lesion_key], d[key])
            name = result_name(image.meta, self.postfix)
            if self.layout == "files":
                path = self.output_dir / f"{name}_mask.nii.gz"
                save_volume(mask, path, "uint8", self._description(image))
                self._write_record(self.output_dir / f"{name}_mask.json", image)
                logger.info("Wrote %s", path)
            else:
                self._add_case(name, image, mask)
        return d

    def _add_case(self, case: str, image: MetaTensor, mask: MetaTensor) -> None:
        folder = self.output_dir / self.dataset
        description = _dataset_description(folder)
        header = self._description(image)
        # The image last: nnU-Net finds cases by their images, and one without a label is an error there.
        save_volume(mask, folder / "labelsTr" / f"{case}.nii.gz", "uint8", header)
        save_volume(image, folder / "imagesTr" / f"{case}_0000.nii.gz", "int16", header)
        self._write_record(folder / _RECORDS / f"{case}.json", image)
        # Cases of earlier runs count, too; a hidden file is a draft.
        cases = [path for path in folder.glob("imagesTr/*_0000.nii.gz") if not path.name.startswith(".")]
        write_json(folder / "dataset.json", description | {"numTraining": len(cases)})
        logger.info("Added case %s to %s (%d in all).", case, folder, len(cases))

    def _description(self, image: MetaTensor) -> str:
        """For the header of a result's files."""
        return self.provenance.description(self.postfix, image.meta) if self.provenance else _DESCRIPTION

    def _write_record(self, path: Path, image: MetaTensor) -> None:
        if self.provenance:
            write_json(path, self.provenance.record(image.meta))


def _on_grid(lesion: MetaTensor, image: MetaTensor) -> MetaTensor:
    """The mask, 0 and 1, with the affine and form codes of the image; its own file stays protected."""
    mask = on_grid_of(image, lesion, "The mask", "the result")
    meta = dict(image.meta) | {"filename_or_obj": lesion.meta["filename_or_obj"]}
    return MetaTensor((mask.as_tensor() > 0.5).float(), affine=image.affine, meta=meta)


def _dataset_description(folder: Path) -> dict[str, object]:
    """Content of `dataset.json`, without the number of cases; `InputError` if the data set is another's."""
    number = folder.name.split("_")[0]
    others = [path.name for path in folder.parent.glob(f"{number}_*") if path.name != folder.name]
    if others:
        raise InputError(f"{folder.parent} holds {others[0]} already: choose another dataset_id.")
    path = folder / "dataset.json"
    if not path.exists():
        return dict(_NNUNET)
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        ours = all(known.get(key) == value for key, value in _NNUNET.items())
    except (ValueError, AttributeError):
        ours = False
    if not ours:
        raise InputError(
            f"{path} does not describe CT with background 0 and lesion 1: choose another dataset_id."
        )
    return known
