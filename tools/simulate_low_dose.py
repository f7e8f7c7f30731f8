"""Add simulated low-dose noise to a CT, for demonstrations and tests."""

from __future__ import annotations

from pathlib import Path

from monai.transforms import Compose

from meddiff_core.commands import run_command
from meddiff_core.transforms.load import LoadCTd
from meddiff_core.transforms.low_dose import SimulateLowDosed
from meddiff_core.transforms.save import save_volume


def simulate_low_dose(
    image: str, output: str, kind: str = "white", noise_level: float = 27.0, seed: int = 0
) -> None:
    """Write a noisier version of a CT on the same grid.

    Args:
        image: the CT: NIfTI, NRRD, MHA or the folder of a DICOM series.
        output: the NIfTI file to write.
        kind: `white`, `correlated` (also `correlated_smooth` and `correlated_sharp`, of other kernels), or
            `sinogram` for Poisson noise in the projections.
        noise_level: standard deviation in HU; for `sinogram` the fraction of the dose left, such as 0.25.
        seed: same seed, same noise.
    """
    simulate = SimulateLowDosed("image", kind=kind, noise_level=noise_level, seed=seed)
    chain = Compose([LoadCTd("image"), simulate])
    save_volume(chain({"image": image})["image"], Path(output), "int16", "simulated low dose")
    print(f"Wrote {output}: {kind} noise, level {noise_level:g}, simulated.")


if __name__ == "__main__":
    run_command(simulate_low_dose)
