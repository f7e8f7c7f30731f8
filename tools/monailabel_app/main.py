"""MONAI Label's way into the app: the class it looks for in this file."""

from lib.torchvision_operators import declare_operators

declare_operators()

from lib.app import MedDiffApp  # noqa: E402, F401  (MONAI Label imports torchvision)
