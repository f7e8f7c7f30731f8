"""What the organs of a phantom look like without contrast agent."""

from __future__ import annotations

from meddiff_core.conditions.vocabulary import COARSE_OF, label_id

# Soft tissue above this is enhanced by contrast agent, below the other it is not calcified.
_ENHANCED_HU = (60.0, 200.0)
_BLOOD_HU = 42.0
# Usual means without contrast agent; what is not here and enhanced is blood, heart muscle or bowel wall.
_PLAIN_HU = {
    "liver": 57.0,
    "spleen": 48.0,
    "pancreas": 40.0,
    "kidney_left": 32.0,
    "kidney_right": 32.0,
    "adrenal_gland_left": 25.0,
    "adrenal_gland_right": 25.0,
}
# Dense by themselves: iodine of its own, and cartilage.
_DENSE = ("thyroid_gland", "costal_cartilages")


def plain_hu(hu: float, label: str | None) -> float:
    """HU without contrast agent of what is painted with `hu` in the portal venous phase.

    Args:
        hu: mean HU of the shape.
        label: its name in the vocabulary; None for vessels within an organ.
    """
    bone = label is not None and COARSE_OF[label_id(label)] == label_id("bone")
    if bone or label in _DENSE or not _ENHANCED_HU[0] < hu < _ENHANCED_HU[1]:
        return hu
    return _PLAIN_HU.get(label, _BLOOD_HU)
