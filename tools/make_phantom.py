"""Make an analytic CT phantom with its anatomy and lesion masks, to try every task without patient data.

example:
  python tools/make_phantom.py --region abdomen --output_dir demo --shape 160,160,96 --lesions 2
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from meddiff_core.commands import run_command, three_numbers
from meddiff_core.phantoms import make_phantom
from meddiff_core.preparation.volume import write_volume


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
    sizes = three_numbers("shape", shape, "of voxels, such as 128,128,96")
    steps = three_numbers("spacing", spacing, "in mm, such as 2,2,3")
    phantom = make_phantom(region, sizes, steps, seed, lesions, contrast)
    stem = name or f"{region}_phantom_{seed}"
    for suffix, volume in (("", phantom.hu), ("_anatomy", phantom.anatomy), ("_lesion", phantom.lesion)):
        path = Path(output_dir, f"{stem}{suffix}.nii.gz")
        write_volume(path, volume, phantom.affine)
        size = " x ".join(map(str, volume.shape))
        print(f"{path}  {volume.dtype}, {size} voxels of {' x '.join(f'{s:g}' for s in phantom.spacing)} mm")
    print(f"{np.unique(phantom.anatomy).size - 1} labels, {int(phantom.lesion.sum())} lesion voxels")


if __name__ == "__main__":
    run_command(write_phantom)
