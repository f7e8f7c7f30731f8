"""Stack 2-D slices into CT volumes, for data that is published as pictures, such as BMAD.

The result is a pseudo-volume: neighbours need not belong together, and what the HU window cut off is lost.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import itk
import numpy as np
from monai.data import MetaTensor
from scipy import ndimage

from meddiff_core.commands import three_numbers
from meddiff_core.conditions.regions import HUWindow, region_window
from meddiff_core.errors import InputError, check_count
from meddiff_core.transforms.dicom import read_slice
from meddiff_core.transforms.save import save_volume
from meddiff_core.transforms.scans import volume_suffix

PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
"""Grey levels in a HU window; every other slice is in HU."""

SUFFIXES = (*PICTURES, ".nii.gz", ".nii", ".dcm")
# Fewer make no volume, see `LoadCTd`.
_MIN_SLICES = 8
_AIR_HU = -1000.0


def stack_slices(
    input_dir: str,
    output: str,
    region: str,
    mask_dir: str | None = None,
    mask_output: str | None = None,
    spacing: tuple[float, float, float] = (1.0, 1.0, 5.0),
    slices_per_volume: int | None = None,
) -> None:
    """Write a NIfTI in HU (int16), and one of the lesions (uint8) where there are masks.

    Args:
        input_dir: axial slices of one size, in the order of their names (slice2 before slice10) from the feet
            to the head: PNG, JPEG or TIFF of 8 or 16 bit, or NIfTI or DICOM in HU. Pictures are taken as
            radiologists see them: the patient's front is up, his right on the left.
        output: the .nii.gz file; of several volumes, each has its number in its name.
        region: head_neck, chest or abdomen. A picture's black to white is that region's HU window; black that
            reaches the picture's border is air.
        mask_dir: lesion masks by the names of the slices; above half of the brightest is lesion.
        mask_output: the .nii.gz file for them.
        spacing: voxel size in mm X,Y,Z; pictures do not tell it.
        slices_per_volume: cut the slices into volumes of so many; one volume unless given.
    """
    hu_window = region_window(region)
    affine = _affine(spacing)
    if (mask_dir is None) != (mask_output is None):
        raise InputError("--mask_dir and --mask_output go together: give both or none.")
    for path in filter(None, (output, mask_output)):
        if not str(path).endswith(".nii.gz"):
            raise InputError(f"{path} is no name for a volume: end it with .nii.gz.")
    files = _slices_in(Path(input_dir))
    parts = _parts(len(files), slices_per_volume)
    masks = _matching(files, Path(mask_dir)) if mask_dir else []
    _write(_stack(files, hu_window), parts, Path(output), affine, files[0], "int16")
    if masks:
        values = _stack(masks)
        _write(values > values.max() / 2, parts, Path(mask_output), affine, masks[0], "uint8")


def _affine(spacing: Sequence[float]) -> np.ndarray:
    """Columns run to the patient's left, rows to the back, slices to the head."""
    x, y, z = three_numbers("spacing", spacing, "in mm, such as 1,1,5")
    return np.diag([-x, -y, z, 1.0])


def _suffix(path: Path) -> str:
    return next((suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)), "")


def _stem(path: Path) -> str:
    return path.name[: len(path.name) - len(_suffix(path))]


def _slices_in(folder: Path) -> list[Path]:
    """Slices in the natural order of their names: numbers count as numbers."""
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder: give the one that holds the slices.")
    files = [path for path in folder.iterdir() if _suffix(path) and not path.name.startswith(".")]
    if not files:
        raise InputError(f"{folder} holds no slices: put {', '.join(SUFFIXES)} files into it.")
    return sorted(
        files, key=lambda path: [int(t) if t.isdecimal() else t for t in re.split(r"(\d+)", path.name)]
    )


def _parts(count: int, size: int | None) -> list[slice]:
    """Which slices make which volume."""
    if size is not None:
        check_count("--slices_per_volume", size, least=_MIN_SLICES)
    size = size or count
    least = count % size or size
    if least < _MIN_SLICES:
        raise InputError(
            f"{count} slices leave a volume of {least}: give each volume at least {_MIN_SLICES} slices."
        )
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def _matching(files: list[Path], mask_dir: Path) -> list[Path]:
    masks = {_stem(path): path for path in _slices_in(mask_dir)}
    for path in files:
        if _stem(path) not in masks:
            raise InputError(
                f"{mask_dir} holds no mask named {_stem(path)}: name the masks like their slices."
            )
    return [masks[_stem(path)] for path in files]


def _stack(files: list[Path], hu_window: HUWindow | None = None) -> np.ndarray:
    """Slices as `(X, Y, Z)` float32; pictures in HU where a HU window is given."""
    slices = []
    for path in files:
        pixels = _read(path)
        if slices and pixels.shape != slices[0].shape:
            size, first = (" x ".join(map(str, array.shape)) for array in (pixels, slices[0]))
            raise InputError(
                f"{path} has {size} pixels, {files[0].name} has {first}: give slices of one size."
            )
        if hu_window is not None and _suffix(path) in PICTURES:
            pixels = _picture_hu(pixels, hu_window, path)
        slices.append(pixels.astype(np.float32))
    return np.stack(slices, axis=2)


def _read(path: Path) -> np.ndarray:
    """Pixels `(X, Y)`, columns and then rows, the patient's front first."""
    if _suffix(path) == ".dcm":
        pixels, axes = read_slice(path)
        return _upright(pixels, np.diag(axes), path)
    try:
        image = itk.imread(str(path))
        array = np.squeeze(itk.array_from_image(image))
        directions = np.diag(itk.array_from_matrix(image.GetDirection()))[:2]
    except Exception as error:  # ITK raises whatever the format's library does
        raise InputError(f"{path} cannot be read: it is damaged or no slice.") from error
    if array.ndim == 3 and _suffix(path) in PICTURES and (array[..., :3] == array[..., :1]).all():
        array = array[..., 0]  # grey that was stored in colours
    if array.ndim != 2:
        raise InputError(f"{path} is not one grey slice ({' x '.join(map(str, array.shape))}): convert it.")
    return _upright(array.T, directions, path)


def _upright(pixels: np.ndarray, directions: np.ndarray, path: Path) -> np.ndarray:
    """Turn `(X, Y)` so that its axes run to the patient's left and back, as far as flips can."""
    if (np.abs(directions) < 0.5).any():
        raise InputError(f"{path} is not an axial slice: reformat it.")
    return pixels[tuple(slice(None, None, int(np.sign(d))) for d in directions)]


def _picture_hu(grey: np.ndarray, hu_window: HUWindow, path: Path) -> np.ndarray:
    """Grey levels in HU; black that reaches the border, which says no more than 'below', becomes air."""
    if grey.dtype not in (np.uint8, np.uint16):
        raise InputError(f"{path} holds {grey.dtype} values: convert it to 8 or 16 bit.")
    hu = hu_window.lower + grey.astype(np.float32) * (hu_window.width / np.iinfo(grey.dtype).max)
    gaps, _ = ndimage.label(grey == 0)
    border = np.unique(np.concatenate([gaps[0], gaps[-1], gaps[:, 0], gaps[:, -1]]))
    hu[np.isin(gaps, border[border > 0])] = min(_AIR_HU, hu_window.lower)
    return hu


def _write(
    volume: np.ndarray, parts: list[slice], output: Path, affine: np.ndarray, source: Path, dtype: str
) -> None:
    stem = output.name.removesuffix(volume_suffix(output))
    for number, part in enumerate(parts, start=1):
        path = output if len(parts) == 1 else output.with_name(f"{stem}_{number}.nii.gz")
        array = volume[:, :, part].astype(np.float32)
        tensor = MetaTensor(array[None], affine=affine, meta={"filename_or_obj": str(source)})
        save_volume(tensor, path, dtype, "stacked from 2-D slices")
        print(f"Wrote {path}: {' x '.join(map(str, array.shape))} voxels.")
