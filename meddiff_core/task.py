"""A bundle's task as a function in Python, over the bundle's own inference.json."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import itk
import nibabel as nib
import numpy as np
import torch
from monai.bundle import ConfigWorkflow
from monai.data import MetaTensor

from meddiff_core.errors import InputError
from meddiff_core.option_names import check_options

BUNDLES_VARIABLE = "MEDDIFF_BUNDLES"
"""Environment variable that names the folder of the bundles."""


def load_task(name: str, bundles_dir: str | Path | None = None, **options: Any) -> Task:
    """Load a bundle's network once, for any number of scans.

    Args:
        name: of the bundle, such as `ct_denoising`.
        bundles_dir: folder that holds the bundle. Default: the folder that `MEDDIFF_BUNDLES` names, else
            the bundles in an installed wheel, else `bundles` beside the package, else the zip of the bundle
            that holds `meddiff_core`, else `bundles` in the working folder.
        options: those of the bundle, such as `noise_level=30`.

    Returns:
        a function, see `Task`.

    Raises:
        InputError: the bundle is not found, or an option is wrong.
    """
    return Task(_bundle(name, bundles_dir), options)


class Task:
    """A task with its network loaded, called with one scan after the other.

    A call reads, checks and writes as a run of the bundle does, in a temporary folder.

    Args:
        root: folder of the bundle.
        options: of the bundle. Where results lie is not among them.
    """

    def __init__(self, root: Path, options: dict[str, Any]) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._out = Path(self._folder.name) / "out"
        workflow = ConfigWorkflow(
            str(root / "configs" / "inference.json"),
            meta_file=str(root / "configs" / "metadata.json"),
            logging_file=False,
            workflow_type="infer",
            bundle_root=str(root),
            **options | {"output_dir": str(self._out)},
        )
        self._parser = workflow.parser
        self._parser.parse()
        check_options(self._parser, root / "configs")
        for transform in self._parser.get("postprocessing")["transforms"]:
            if ".reports." in transform["_target_"]:
                transform["_disabled_"] = True
        self._parser["dataset#data"] = [{"image": ""}]
        self._evaluator = self._parser.get_parsed_content("evaluator")
        self._data = self._parser.get_parsed_content("dataset").data

    def __call__(self, image: Any, affine: np.ndarray | None = None, **maps: Any) -> Any:
        """Process one scan.

        Args:
            image: CT in HU, or the anatomy map of a task that starts from one: the path of a file or a DICOM
                folder, a nibabel or ITK image, a MetaTensor `(1, X, Y, Z)`, or an array `(X, Y, Z)`.
            affine: `(4, 4)`, voxel to mm in RAS, of an array.
            maps: `anatomy`, `lesion` or `organ` on the scan's grid, of the same kinds.

        Returns:
            the result as what `image` is; for a path as a nibabel image. Where a task makes several volumes,
            a dictionary by what each is, such as `anomaly_map` and `anomaly_mask`.

        Raises:
            InputError: the scan cannot be used; the sentence says why.
        """
        with tempfile.TemporaryDirectory(dir=self._folder.name) as folder:
            item = {"image": _as_path(image, affine, Path(folder) / "image.nii.gz")}
            for name, volume in maps.items():
                item[name] = _as_path(volume, affine, Path(folder) / f"{name}.nii.gz")
            self._data[:] = [item | {"output": "result"}]
            try:
                self._evaluator.run()
            except SystemExit as error:
                raise InputError(str(error)) from None
        found = {path.name[len("result_") : -len(".nii.gz")]: path for path in self._out.glob("*.nii.gz")}
        results = {name: _like(image, path) for name, path in sorted(found.items())}
        for path in self._out.iterdir():
            path.unlink()
        return results if len(results) > 1 else next(iter(results.values()))


def _bundle(name: str, bundles_dir: str | Path | None) -> Path:
    own = Path(__file__).resolve().parent
    named = bundles_dir or os.environ.get(BUNDLES_VARIABLE)
    own_places = [own / "bundles", own.parent / "bundles", own.parents[1], Path("bundles")]
    folders = [Path(named)] if named else own_places
    for folder in folders:
        if (folder / name / "configs" / "inference.json").is_file():
            return (folder / name).resolve()
    looked = ", ".join(map(str, folders))
    raise InputError(f"There is no bundle {name} in {looked}: name its folder by bundles_dir.")


def _as_path(volume: Any, affine: np.ndarray | None, path: Path) -> str:
    """The path of a volume, which is written to `path` unless it is a file already."""
    if isinstance(volume, str | Path):
        return str(volume)
    if isinstance(volume, itk.DataObject):
        itk.imwrite(volume, str(path))
        return str(path)
    if isinstance(volume, MetaTensor):
        volume = nib.Nifti1Image(volume.cpu().numpy()[0], volume.affine.cpu().numpy())
    elif isinstance(volume, np.ndarray | torch.Tensor):
        if affine is None:
            raise InputError("An array has no voxel size: give its affine, voxel to mm in RAS.")
        volume = nib.Nifti1Image(np.asarray(volume), np.asarray(affine, dtype=float))
    if not isinstance(volume, nib.spatialimages.SpatialImage):
        raise InputError(f"A scan cannot be a {type(volume).__name__}: give a path, an image or an array.")
    if volume.get_data_dtype() in (np.int64, np.uint64, np.bool_):
        volume = nib.Nifti1Image(np.asarray(volume.dataobj).astype(np.int32), volume.affine)
    nib.save(volume, path)
    return str(path)


def _like(image: Any, path: Path) -> Any:
    """A result as what was given."""
    if isinstance(image, itk.DataObject):
        return itk.imread(str(path))
    result = nib.load(path)
    array = np.asarray(result.dataobj)
    if isinstance(image, np.ndarray):
        return array
    if isinstance(image, MetaTensor):
        return MetaTensor(torch.from_numpy(array.copy())[None], affine=result.affine)
    if isinstance(image, torch.Tensor):
        return torch.from_numpy(array.copy())
    return nib.Nifti1Image(array, result.affine, result.header)
