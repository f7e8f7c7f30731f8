"""What the tables of hard input share: small scans, fast options of every bundle, and what a refusal is."""

from __future__ import annotations

from functools import cache
from itertools import cycle
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from monai.bundle import ConfigWorkflow

from meddiff_core.errors import user_sentence
from meddiff_core.phantoms import make_phantom

BUNDLES = Path(__file__).parents[2] / "bundles"

SPACING = (9.7, 9.7, 11.4)

_FAST = {
    "ct_foundation": {},
    "ct_denoising": {"noise_level": 20},
    "ct_anomaly_detection": {"samples": 1},
    "ct_super_resolution": {"slice_thickness": 5.7},
    "ct_lesion_inpainting": {"steps": 1, "jump_rounds": 1, "lesion_diameter": [40, 50]},
    "ct_lesion_generation": {"steps": 1, "guidance_scale": 1, "lesion_diameter": [40, 50]},
    "ct_synthesis": {"steps": 1, "guidance_scale": 1},
}
NAMES = sorted(_FAST)
OF_MAPS = ("ct_lesion_generation", "ct_synthesis")
"""Bundles that start from an anatomy map."""
OF_SCANS = tuple(name for name in NAMES if name not in OF_MAPS)

RESULTS = {
    "ct_foundation": ("reconstruction",),
    "ct_denoising": ("denoised",),
    "ct_anomaly_detection": ("anomaly_map", "anomaly_mask"),
    "ct_super_resolution": ("superres",),
    "ct_lesion_inpainting": ("inpainted", "inpainted_mask"),
    "ct_lesion_generation": ("lesion", "lesion_mask"),
    "ct_synthesis": ("synthetic",),
}
"""Postfixes of the volumes that a bundle writes."""


@cache
def small_phantom():
    """An abdomen of 32 x 32 x 16 voxels."""
    return make_phantom("abdomen", (32, 32, 16), SPACING, seed=1)


def small_hu() -> np.ndarray:
    """int16 `(32, 32, 16)` in HU, in RAS."""
    return np.rint(small_phantom().hu).astype(np.int16)


def small_anatomy() -> np.ndarray:
    """uint8 labels on the same grid."""
    return small_phantom().anatomy.astype(np.uint8)


def small_lesion() -> np.ndarray:
    """uint8 mask of two lesions on the same grid."""
    mask = np.zeros((32, 32, 16), np.uint8)
    mask[10:13, 12:15, 5:8] = 1
    mask[18:20, 14:17, 9:12] = 1
    return mask


def plain_affine(spacing=SPACING) -> np.ndarray:
    """RAS, off the origin."""
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = (-120.5, 33.25, -612.0)
    return affine


def save(path: Path, array: np.ndarray, affine: np.ndarray | None = None) -> Path:
    """Write a NIfTI file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, plain_affine() if affine is None else affine), path)
    return path


def workflow(name: str, scan: object, output_dir: Path, **options) -> ConfigWorkflow:
    """The bundle, initialized: of a scan, or where it has none of an anatomy map; without the picture."""
    root = BUNDLES / name
    key = "anatomy" if name in OF_MAPS else "image"
    chosen = {"region": "abdomen", "window_size": 64, key: _text(scan), "output_dir": str(output_dir)}
    chosen |= _FAST[name] | options
    loaded = ConfigWorkflow(
        str(root / "configs" / "inference.json"),
        meta_file=str(root / "configs" / "metadata.json"),
        logging_file=False,
        workflow_type="infer",
        bundle_root=str(root),
        **chosen,
    )
    for transform in loaded.parser.get("postprocessing")["transforms"]:
        if "reports" in transform["_target_"]:
            transform["_disabled_"] = True
    loaded.initialize()
    return loaded


def run(name: str, scan: object, output_dir: Path, **options) -> list[nib.Nifti1Image]:
    """The bundle's volumes of one scan."""
    workflow(name, scan, output_dir, **options).run()
    return results(name, output_dir)


def results(name: str, output_dir: Path) -> list[nib.Nifti1Image]:
    """The one volume of each kind in the folder."""
    return [nib.load(_only(output_dir.glob(f"*_{postfix}.nii.gz"))) for postfix in RESULTS[name]]


def refusal(name: str, scan: object, output_dir: Path, **options) -> str:
    """The one sentence with which the bundle refuses; nothing is written."""
    with pytest.raises((RuntimeError, SystemExit)) as caught:
        workflow(name, scan, output_dir, **options).run()
    error = caught.value
    sentence = str(error) if isinstance(error, SystemExit) else user_sentence(error)
    assert sentence, f"a traceback instead of a sentence: {error!r}"
    assert "\n" not in sentence and sentence[-1] in ".?"
    assert not output_dir.is_dir() or not list(output_dir.iterdir())
    return sentence


def in_ras(image: nib.Nifti1Image) -> np.ndarray:
    """Voxels along right, anterior, superior."""
    return np.asarray(nib.as_closest_canonical(image).dataobj)


def spread(table, names, everywhere=()):
    """(case, bundle): some cases of a table in every bundle, the others in the bundles by turns."""
    turns = cycle(names)
    for case in table:
        yield from ((case, name) for name in (names if case in everywhere else [next(turns)]))


def _text(scan: object) -> object:
    return str(scan) if isinstance(scan, Path) else scan


def _only(paths) -> Path:
    (path,) = paths
    return path
