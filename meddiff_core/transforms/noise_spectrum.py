"""The option `noise_spectrum`: white, measured on the scan itself, or on another file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from monai.transforms import Orientation

from meddiff_core.errors import InputError
from meddiff_core.physics.noise_spectrum import NoiseSpectrum
from meddiff_core.physics.scan_noise import ScanNoise
from meddiff_core.transforms.load import LoadCTd


def noise_spectrum(option: str | Path) -> NoiseSpectrum | None:
    """The spectrum that a user names.

    Args:
        option: `auto`, `white`, or a CT of the same protocol (a scan or a phantom of water) whose noise is
            measured.

    Returns:
        None for `auto`: each scan's own.

    Raises:
        InputError: the file is no CT, or its noise cannot be measured.
    """
    if option == "auto":
        return None
    if option == "white":
        return NoiseSpectrum()
    if not isinstance(option, str | Path) or not Path(option).expanduser().exists():
        raise InputError(
            f"noise_spectrum is {option!r}: use auto, white, or the path of a CT of this protocol."
        )
    image = Orientation(axcodes="RAS", labels=None)(
        LoadCTd("image", min_slices=2)({"image": option})["image"]
    )
    noise = ScanNoise.estimate(image[0].numpy())
    if noise is None or noise.spectrum.is_white:
        raise InputError(
            f"noise_spectrum: no noise can be measured in {option}, which needs 3 or more slices with flat "
            "tissue or water: give another scan of the protocol, or auto."
        )
    return replace(noise.spectrum, spacing=image.pixdim.tolist())
