"""Whether the numbers of a volume are Hounsfield units, judged by shares of its voxels."""

from __future__ import annotations

import numpy as np

# Air is -1000; scanners pad what they did not see with -1024, -2000, -3024 or less.
_PADDING_HU = -1500.0
# So many voxels show the shares well; counting all of a large scan takes seconds.
_SAMPLE = 2_000_000
# Noise alone is wider in any CT; what is blank or normalised is not.
_LEAST_WIDTH_HU = 12.0
# Metal reaches 30000 on the extended scale of some scanners, in a small part of a scan.
_MOST_HU, _MOST_MEDIAN_HU = 40000.0, 5000.0
# Fat and soft tissue with an offset of 1000 or 1024: in HU that is dense bone, which never comes alone.
_DENSE_HU, _OFFSET_TISSUE = 300.0, (774.0, 1274.0)
# A crop within a vessel full of contrast medium is no wider.
_CONTRAST_WIDTH_HU = 400.0
_AIR_HU, _BELOW_WATER_HU = -250.0, -20.0


def why_not_hu(volume: np.ndarray, name: str) -> str | None:
    """Why the numbers cannot be HU, as a sentence; None if they can.

    Whole scans pass, and crops without air, fat or bone, noise, padding, metal and values clipped to a window
    that reaches below water. Thresholds: set on crops of real CT, and on such crops as stored pixels,
    normalised, as pictures and as MR.

    Args:
        volume: `(X, Y, Z)`, finite numbers.
        name: begins the sentence.
    """
    volume = np.asarray(volume)
    every = volume.ravel()[:: max(1, volume.size // _SAMPLE)]
    values = every[every >= _PADDING_HU]
    if not values.size:
        return f"{name} is not a CT in HU: nothing in it is above {_PADDING_HU:g}."
    low, high = (float(value) + 0.0 for value in np.percentile(values, (0.1, 99.9)))  # not -0
    if high - low < _LEAST_WIDTH_HU:
        return f"{name} is not a CT in HU: its values lie between {low:g} and {high:g} only."
    if _too_large(every):
        least, most = float(every.min()), float(every.max())
        return f"{name} is not a CT in HU: its values reach from {least:g} to {most:g}."
    floor = values == values.min()
    tissue = values[~floor] if floor.mean() > 0.01 else values
    dense = tissue[tissue > _DENSE_HU]
    if _is_offset(tissue, dense):
        return (
            f"{name} is not in HU: its soft tissue lies near {np.median(dense):.0f}, as in stored CT pixels: "
            "apply the rescale slope and intercept first, or give the DICOM."
        )
    if (values < _BELOW_WATER_HU).mean() >= 0.005:
        return None
    begins_at_0 = floor.mean() > 0.05 and abs(values.min()) <= 1
    only_dense = np.median(values) > _DENSE_HU and high - low > _CONTRAST_WIDTH_HU
    if begins_at_0 or only_dense or _dark_background(volume, values):
        return (
            f"{name} is not in HU: it has no air (-1000) and no fat (-100), as an MR, a picture, a label "
            "map, or HU cut off at 0; if these are stored CT pixels, apply the rescale slope and intercept "
            "first."
        )
    return None


def _too_large(every: np.ndarray) -> bool:
    inside = every[every != every.min()]  # whatever stands for padding
    if not inside.size:
        return False
    far_below = (inside < -_MOST_MEDIAN_HU).mean() > 0.05
    return bool(far_below or np.median(np.abs(inside)) > _MOST_MEDIAN_HU or (inside > _MOST_HU).mean() > 0.01)


def _is_offset(tissue: np.ndarray, dense: np.ndarray) -> bool:
    """No air, and what is dense is as narrow as soft tissue."""
    if (tissue < _AIR_HU).mean() > 0.01 or dense.size <= 0.02 * tissue.size:
        return False
    low, high = _OFFSET_TISSUE
    narrow = ((dense > low) & (dense < high)).mean()
    # Bone is wider (up to 0.73 in crops of skull and femur), and with its marrow under a third of any crop.
    return bool(narrow > 0.75 or (narrow > 0.55 and dense.size > 0.4 * tissue.size))


def _dark_background(volume: np.ndarray, values: np.ndarray) -> bool:
    """Whether the volume's corners are dark beside a large bright part of it, as the air around an MR is."""
    sizes = [max(1, n // 16) for n in volume.shape]
    ends = [(slice(0, size), slice(-size, None)) for size in sizes]
    corners = [np.median(volume[x, y, z]) for x in ends[0] for y in ends[1] for z in ends[2]]
    top = np.percentile(values, 99)
    dark, bright = (np.array(corners) < 0.15 * top).sum(), (values > 0.25 * top).mean()
    # In a crop of brain and skull some corners are brain, which is dark beside bone.
    around = (dark == 8 and bright > 0.1) or (dark >= 6 and bright > 0.3)
    return bool(around and top - np.median(corners) > 50)
