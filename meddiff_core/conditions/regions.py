"""Body regions and HU windows: the class that conditions the network says both."""

from __future__ import annotations

from dataclasses import dataclass

from meddiff_core.errors import InputError


@dataclass(frozen=True)
class HUWindow:
    """A display window, and the linear map between its HU and [-1, 1].

    Args:
        level: centre in HU.
        width: full width in HU.
    """

    level: float
    width: float

    @property
    def lower(self) -> float:
        """HU that maps to -1."""
        return self.level - self.width / 2

    @property
    def upper(self) -> float:
        """HU that maps to +1."""
        return self.level + self.width / 2

    def to_unit(self, hu):
        """HU to [-1, 1]; values outside the window go beyond, unclipped. Array, tensor or number."""
        return (hu - self.level) * (2.0 / self.width)

    def to_hu(self, unit):
        """[-1, 1] back to HU."""
        return unit * (self.width / 2.0) + self.level


# Levels and widths: MedDiff-FM, section "Implementation details". `unknown` is the null class of
# classifier-free training; where it needs a window it takes the widest, which loses the least.
_REGION_WINDOWS = {
    "unknown": HUWindow(-500, 1800),
    "head_neck": HUWindow(50, 400),
    "chest": HUWindow(-500, 1800),
    "abdomen": HUWindow(60, 360),
}
FULL = "full"
"""The class of patches of any region in the HU window -1024 to 3071: all that 12 bits hold."""
_HU_WINDOWS = _REGION_WINDOWS | {FULL: HUWindow(1023.5, 4095)}
REGIONS: tuple[str, ...] = tuple(_REGION_WINDOWS)
"""Region names; the first is the null class."""
CLASSES: tuple[str, ...] = tuple(_HU_WINDOWS)
"""Class names; the position in this tuple is the class id, 0 is the null class."""


WIDEST = "chest"
"""The region whose window holds the others: air and lung as well as most of bone."""


def check_region(region: str) -> str:
    """Return `region` if it is one of `REGIONS`; raise `InputError` otherwise."""
    if region not in REGIONS:
        raise InputError(f"Unknown region {region!r}: use one of {', '.join(REGIONS)}, or auto.")
    return region


def region_window(region: str) -> HUWindow:
    """HU window of a region, or of the class `full`. Raises `InputError` for an unknown name."""
    return _HU_WINDOWS[region if region == FULL else check_region(region)]


def region_id(region: str) -> int:
    """Class id of a region, or of the class `full`. Raises `InputError` for an unknown name."""
    return CLASSES.index(region if region == FULL else check_region(region))
