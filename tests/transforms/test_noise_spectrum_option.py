"""The option `noise_spectrum`: what it takes, and what it refuses."""

import nibabel as nib
import numpy as np
import pytest

from meddiff_core.errors import InputError
from meddiff_core.physics.low_dose import correlated_noise
from meddiff_core.physics.noise_spectrum import NoiseSpectrum
from meddiff_core.transforms.noise_spectrum import noise_spectrum

SPACING = (0.8, 0.8, 2.0)


def water(path, slices: int = 24, noise: float = 30.0):
    """A water phantom in air, with its noise."""
    hu = np.full((96, 88, slices), -1000, np.float32)
    hu[12:-12, 12:-12] = 0
    noisy = correlated_noise(hu, noise, SPACING, 1) if noise else hu
    nib.save(nib.Nifti1Image(noisy.astype(np.int16), np.diag([*SPACING, 1.0])), path)
    return str(path)


def test_auto_is_each_scans_own_and_white_is_white():
    assert noise_spectrum("auto") is None
    assert noise_spectrum("white").is_white


def test_a_phantom_gives_its_noise_for_its_own_voxels(tmp_path):
    spectrum = noise_spectrum(water(tmp_path / "water.nii.gz"))
    true = NoiseSpectrum.of_scanner(SPACING).code()
    assert np.abs(spectrum.code() - true).max() < 0.35 * np.abs(true).max()
    spectrum.check_spacing(SPACING)
    with pytest.raises(InputError, match=r"0.80 x 0.80 x 2.00 mm.*0.80 x 0.80 x 1.00 mm"):
        spectrum.check_spacing((0.8, 0.8, 1.0))


@pytest.mark.parametrize("option", ["missing.nii.gz", 30, None, "coloured"])
def test_what_is_no_file_is_named(option):
    with pytest.raises(InputError, match=f"noise_spectrum is {option!r}"):
        noise_spectrum(option)


@pytest.mark.parametrize("options", [{"slices": 2}, {"noise": 0.0}], ids=str)
def test_a_file_without_measurable_noise_is_refused(tmp_path, options):
    with pytest.raises(InputError, match="no noise can be measured"):
        noise_spectrum(water(tmp_path / "water.nii.gz", **options))
