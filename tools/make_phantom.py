"""Make an analytic CT phantom with its anatomy and lesion masks, to try every task without patient data.

example:
  python tools/make_phantom.py --region abdomen --output_dir demo --shape 160,160,96 --lesions 2
"""

from __future__ import annotations

from pathlib import Path

import fire
import nibabel as nib
import numpy as np

from meddiff_core.errors import InputError, show_sentences
from meddiff_core.files import whole_file
from meddiff_core.phantoms import make_phantom


def write_phantom(
    region: str,
    output_dir: str,
    shape: tuple[int, int, int] = (128, 128, 96),
    spacing: tuple[float, float, float] = (2.0, 2.0, 3.0),
    seed: int = 0,
    lesions: int = 0,
    name: str | None = None,
    contrast: bool = True,
) -> None:
    """Write NAME.nii.gz (int16 HU), NAME_anatomy.nii.gz and NAME_lesion.nii.gz (uint8).

    Args:
        region: head_neck, chest or abdomen.
        output_dir: folder, made if it is not there.
        shape: voxels X,Y,Z; every shape shows the same anatomy.
        spacing: voxel size in mm X,Y,Z.
        seed: another number, another patient.
        lesions: how many lesions.
        name: stem of the files, REGION_phantom_SEED unless given.
        contrast: chest and abdomen in the portal venous phase, or with False without contrast agent.
    """
    phantom = make_phantom(
        region, _three(shape, "shape"), _three(spacing, "spacing"), seed, lesions, contrast
    )
    folder = Path(str(output_dir))
    stem = name or f"{region}_phantom_{seed}"
    for suffix, volume in (("", phantom.hu), ("_anatomy", phantom.anatomy), ("_lesion", phantom.lesion)):
        image = nib.Nifti1Image(volume, phantom.affine)
        image.header.set_xyzt_units("mm")
        path = folder / f"{stem}{suffix}.nii.gz"
        with whole_file(path) as draft:
            nib.save(image, draft)
        size = " x ".join(map(str, volume.shape))
        print(f"{path}  {volume.dtype}, {size} voxels of {' x '.join(f'{s:g}' for s in phantom.spacing)} mm")
    print(f"{np.unique(phantom.anatomy).size - 1} labels, {int(phantom.lesion.sum())} lesion voxels")


def _three(value: object, option: str) -> tuple:
    """A comma-separated option as a tuple of three numbers."""
    if not isinstance(value, tuple | list) or not all(isinstance(v, int | float) for v in value):
        raise InputError(f"--{option} {value} is not understood: give three numbers, such as 128,128,96.")
    return tuple(value)


if __name__ == "__main__":
    show_sentences()
    fire.Fire(write_phantom)
